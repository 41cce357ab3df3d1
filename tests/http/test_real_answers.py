"""What the running platform answers has the published fields, whatever its document says."""

import httpx
import pytest

from tests.http.test_contract import OBJECTS

SUBSCRIPTION = "id plan_id status interval period_start period_end cancel_at trial_end stripe_subscription_id"
# (where the fields are published, what to ask, the way to the object in the answer)
ANSWERS = [
    (("get", "/v1/me"), "/v1/me", ()),
    (("get", "/v1/me/usage"), "/v1/me/usage", ()),
    (("get", "/v1/me/api-keys/{}"), "/v1/me/api-keys/{key}", ()),
    (("get", "/v1/me/api-keys/{}"), "/v1/me/api-keys", ("items", 0)),
    (("get", "/v1/me/sessions", "items"), "/v1/me/sessions", ("items", 0)),
    (("get", "/v1/billing/checkout/{}"), "/v1/billing/checkout/{checkout}", ()),
    (("get", "/v1/billing/payments/{}"), "/v1/billing/payments/{payment}", ()),
    (("get", "/v1/billing/payments/{}"), "/v1/billing/payments", ("items", 0)),
    (("get", "/v1/billing/entitlement"), "/v1/billing/entitlement", ()),
    (("get", "/v1/billing/plans", "items"), "/v1/billing/plans", ("items", 0)),
    (("get", "/v1/jobs/{}"), "/v1/jobs/{job}", ()),
    (("get", "/v1/jobs/{}"), "/v1/ai/jobs", ("items", 0)),
    (("get", "/v1/chat/sessions/{}"), "/v1/chat/sessions/{conversation}", ()),
    (("get", "/v1/chat/sessions/{}/messages", "items"), "/v1/chat/sessions/{conversation}/messages", ("items", 0)),
    (("get", "/v1/forum/topics/{}"), "/v1/forum/topics/{topic}", ()),
    (("post", "/v1/forum/topics/{}/comments"), "/v1/forum/topics/{topic}/comments", ("items", 0)),
    (("get", "/v1/faq", "items"), "/v1/faq", ("items", 0)),
]
PRIVATE = ("/_verify", "/internal/openapi.json", "/livez", "/readyz", "/metrics")
NOT_BUILT = ("/v1/auth/oauth/google/start", "/v1/me/audit", "/v1/nothing")


def inside(answer, way):
    for step in way:
        answer = answer[step]
    return answer


@pytest.mark.parametrize(("published", "path", "way"), ANSWERS, ids=[path for _, path, _ in ANSWERS])
def test_a_real_answer_has_the_published_fields(owner, objects, published, path, way):
    answer = inside(owner.get(path.format_map(objects)), way)
    assert set(OBJECTS[published].split()) <= set(answer)


def test_a_bought_subscription_has_the_published_fields(owner, objects):
    assert objects["payment"]
    assert set(SUBSCRIPTION.split()) <= set(owner.get("/v1/billing/subscription")["subscription"])


@pytest.mark.parametrize("path", [*PRIVATE, *NOT_BUILT])
def test_what_is_private_or_not_built_is_absent(platform, owner, path):
    answer = httpx.get(f"{platform.url}{path}", headers={"Authorization": f"Bearer {owner.token}"})
    assert answer.status_code == 404
    assert path not in httpx.get(f"{platform.url}/openapi.json").json()["paths"]
