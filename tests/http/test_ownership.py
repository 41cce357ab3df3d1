"""Nobody reads or changes what is somebody else's: every route with an object in its path, on the whole platform.

The routes come from the committed OpenAPI document. A new one fails here until it says whose its object is.
"""

import json
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
ROUTES = sorted(
    (path, method)
    for path, operations in json.loads(DOCUMENT.read_text())["paths"].items()
    for method in operations
    if "{" in path
)
# Whose it is decides what a stranger is told; anonymous callers are asked to log in before anything else is looked at.
MINE = {
    "/v1/me/api-keys/{key_id}": "key",
    "/v1/me/factors/{factor_id}": "factor",
    "/v1/me/sessions/{session_id}": "login",
    "/v1/billing/checkout/{checkout_id}": "checkout",
    "/v1/billing/payments/{payment_id}": "payment",
    "/v1/uploads/{file_id}": "upload",
    "/v1/jobs/{job_id}": "job",
    "/v1/jobs/batches/{batch_id}": "batch",
    "/v1/webhook-endpoints/{endpoint_id}": "endpoint",
    "/v1/chat/sessions/{session_id}": "conversation",
    "/v1/chat/messages/{message_id}": "message",
}
VISIBLE = {"/v1/forum/topics/{topic_id}": "topic", "/v1/forum/comments/{comment_id}": "comment"}
# Whoever can see a post may do these to it.
FOR_ALL = {"view", "read", "vote", "comments", "subscription", "report", "revisions", "diff"}
STAFF = "/v1/admin/"
STAFF_ACTS = {"lock", "unlock", "pin", "unpin", "move", "takeover", "reply", "release"}
# Public by their nature, or opened by a signature instead of a caller.
OPEN = ("/r/{code}", "/v1/faq/", "/v1/users/{handle}", "/v1/files/{key}", "/v1/forum/c/", "/v1/forum/t/")
BODIES = {
    ("/v1/me/factors/{factor_id}/confirm", "post"): {"code": "123456"},
    ("/v1/me/api-keys/{key_id}", "patch"): {"name": "mine now"},
    ("/v1/chat/sessions/{session_id}", "patch"): {"title": "mine now"},
    ("/v1/chat/sessions/{session_id}/messages", "post"): {"client_message_id": "1", "content": "Hello"},
    ("/v1/chat/sessions/{session_id}/reply", "post"): {"content": "Hello"},
    ("/v1/chat/messages/{message_id}/feedback", "post"): {"rating": "up"},
    ("/v1/forum/topics/{topic_id}", "patch"): {"title": "Mine now, all of it"},
    ("/v1/forum/comments/{comment_id}", "patch"): {"content": "Mine now"},
    ("/v1/forum/topics/{topic_id}/move", "post"): {"category": "general"},
    ("/v1/forum/topics/{topic_id}/accepted", "put"): {"comment_id": str(uuid4())},
    ("/v1/admin/community/reports/{report_id}/resolve", "post"): {"decision": "remove"},
}


@pytest.fixture(scope="module")
def stranger(platform):
    return platform.api.sign_up("stranger")[0]


def object_of(path):
    """The table that holds the path's object, and its name there."""
    for table in (MINE, VISIBLE):
        for prefix, name in table.items():
            if path.startswith(prefix):
                return table, name
    return None, None


def answer_to(platform, path, method, objects, caller=None):
    _, name = object_of(path)
    target = path.replace("{revision}", "1").format_map(_Ids(objects[name] if name else str(uuid4())))
    body = BODIES.get((path, method), {}) if method in ("post", "patch", "put") else None
    headers = {"If-Match": '"1"', **({"Authorization": f"Bearer {caller.token}"} if caller else {})}
    with httpx.stream(method, f"{platform.url}{target}", json=body, headers=headers) as answer:
        return answer.status_code


class _Ids(dict):
    def __missing__(self, _key):
        return self.id

    def __init__(self, value):
        super().__init__()
        self.id = value


OWNED = [(path, method) for path, method in ROUTES if object_of(path)[0] is not None]
KEPT = [
    (path, method)
    for path, method in OWNED
    if not (object_of(path)[0] is VISIBLE and (method == "get" or path.rsplit("/", 1)[1] in FOR_ALL))
]


@pytest.mark.parametrize(("path", "method"), ROUTES)
def test_every_route_with_an_object_says_whose_it_is(path, method):
    known = object_of(path)[0] is not None or path.startswith((STAFF, *OPEN))
    assert known, f"whose is the object of {method} {path}?"


@pytest.mark.parametrize(("path", "method"), KEPT)
def test_somebody_elses_object_is_as_good_as_absent(platform, objects, stranger, path, method):
    table, _ = object_of(path)
    # What everybody can see can't be absent; changing it is not the stranger's right.
    expected = {403} if table is VISIBLE else {404}
    if path.rsplit("/", 1)[1] in STAFF_ACTS:
        expected = {403, 404}
    assert answer_to(platform, path, method, objects, stranger) in expected


@pytest.mark.parametrize(("path", "method"), KEPT)
def test_without_a_credential_nothing_is_told(platform, objects, path, method):
    # Conversations may belong to visitors, who prove it by a token of their own.
    expected = {401, 404} if path.startswith("/v1/chat/") else {401}
    assert answer_to(platform, path, method, objects) in expected


@pytest.mark.parametrize(("path", "method"), [entry for entry in ROUTES if entry[0].startswith(STAFF)])
def test_staff_routes_refuse_everybody_else(platform, objects, stranger, path, method):
    assert answer_to(platform, path, method, objects, stranger) == 403
    assert answer_to(platform, path, method, objects) == 401


@pytest.mark.parametrize(("path", "method"), [entry for entry in OWNED if entry[1] == "get"])
def test_its_owner_gets_it(platform, objects, owner, path, method):
    """What the stranger was refused exists; a wrong id would be absent for everybody."""
    if "/diff" in path:
        expected = {200, 404}
    elif path.endswith("/result"):
        expected = {200, 302, 404, 409}
    else:
        expected = {200}
    assert answer_to(platform, path, method, objects, owner) in expected
