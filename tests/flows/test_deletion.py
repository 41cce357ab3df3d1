"""An account's end across all services, on the running platform."""

import httpx
import pytest

from deploy.cli.api import PASSWORD, StepFailed, eventually
from deploy.embedded.processes import free_port
from tests.support.platform import Platform

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def forgetful(tmp_path):
    """A platform that grants no days of grace."""
    platform = Platform(tmp_path / "home", free_port(), changes={"ACCOUNTS_DELETION_GRACE_DAYS": "0"})
    platform.start()
    yield platform
    platform.stop()


def test_a_deleted_user_is_gone_from_every_service_and_may_come_back_as_somebody_new(forgetful):
    creator, address = forgetful.api.sign_up("leaver")
    topic = creator.post("/v1/forum/topics", {"title": "Farewell", "content": "I was here."}, expect=201)
    job = creator.post("/v1/ai/jobs", {"tool": "images", "prompt": "Blue"}, expect=202)
    done = eventually("the picture", lambda: _completed(creator, job["id"]), seconds=60)
    creator.post("/v1/chat/sessions", {}, expect=201)

    assert creator.call("DELETE", "/v1/me", expect=202)["state"] == "waiting"
    with pytest.raises(StepFailed, match="401"):
        creator.get("/v1/me")
    eventually("a nameless topic", lambda: _author(forgetful, topic["id"]) is None, seconds=60)
    picture = done["result"]["files"][0]["url"]
    eventually("no picture", lambda: httpx.get(picture).status_code in {404, 410}, seconds=60)

    def may_come_back():
        forgetful.api.post("/v1/auth/signup", {"email": address, "password": PASSWORD}, expect=202)
        subjects = [mail["subject"] for mail in forgetful.api.get("/dev/mail", params={"to": address})["items"]]
        return subjects[0] == "Confirm your e-mail address"

    eventually("the address to be free", may_come_back, seconds=60)


def _completed(creator, job_id):
    job = creator.get(f"/v1/jobs/{job_id}")
    return job if job["status"] == "COMPLETED" else None


def _author(platform, topic_id):
    return platform.api.get(f"/v1/forum/topics/{topic_id}")["author"]["handle"]
