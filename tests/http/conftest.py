"""The platform as a user runs it, with an owner of one of everything."""

from uuid import uuid4

import httpx
import pytest

from deploy.cli.api import eventually
from deploy.cli.demo import upload
from tests.support.jobs import picture
from tests.support.platform import running_platform


@pytest.fixture(scope="package")
def platform(tmp_path_factory):
    with running_platform(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="package")
def owner(platform):
    return platform.api.sign_up("owner")[0]


@pytest.fixture(scope="package")
def objects(owner):
    """One of everything, made by its owner; name -> id."""
    checkout = owner.post("/v1/billing/checkout", {"plan_id": "viral", "interval": "month"}, expect=201)
    httpx.post(checkout["url"], data={"card": "ok"}, follow_redirects=True).raise_for_status()
    payment = eventually("the payment", lambda: owner.get("/v1/billing/payments")["items"])[0]
    file_id = upload(owner, "photo.png", picture())
    job = owner.post("/v1/ai/jobs", {"tool": "memes", "prompt": "a | b", "input_files": [file_id]}, expect=202)
    batch = owner.post("/v1/jobs/batches", {"items": [{"tool": "memes", "prompt": "c | d"}]}, expect=202)
    hook = {"url": "https://studio.example/hooks", "events": ["batch.completed"]}
    conversation = owner.post("/v1/chat/sessions", {}, expect=201)["session"]
    said = {"client_message_id": str(uuid4()), "content": "How do I cancel?"}
    answered = owner.post(f"/v1/chat/sessions/{conversation['id']}/messages", said, expect=202)
    topic = owner.post("/v1/forum/topics", {"title": "A question of mine", "content": "What is it?"}, expect=201)
    comment = owner.post(f"/v1/forum/topics/{topic['id']}/comments", {"content": "This."}, expect=201)
    return {
        "key": owner.post("/v1/me/api-keys", {"name": "key", "scopes": ["jobs:read"]}, expect=201)["id"],
        "factor": owner.post("/v1/me/factors", {}, expect=201)["id"],
        "login": owner.get("/v1/me/sessions")["items"][0]["id"],
        "checkout": checkout["checkout_id"],
        "payment": payment["id"],
        "upload": file_id,
        "job": job["id"],
        "batch": batch["id"],
        "endpoint": owner.post("/v1/webhook-endpoints", hook, expect=201)["id"],
        "conversation": conversation["id"],
        "message": answered["assistant_message"]["id"],
        "topic": topic["id"],
        "comment": comment["id"],
    }
