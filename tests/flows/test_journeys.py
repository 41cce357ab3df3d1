"""Stories across services, told over HTTP, on both topologies."""

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from PIL import Image

from deploy.cli.api import PASSWORD, StepFailed, eventually
from deploy.cli.demo import drawn_photo, upload

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_creators_whole_journey_holds(platform, tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(drawn_photo())
    result = platform.run("demo", "--photo", str(photo), "--prompt", "Harvest fair, cider and lanterns")
    assert result.returncode == 0, result.stdout + result.stderr
    pictures = sorted((platform.home / "demo").rglob("*.png"))
    assert len(pictures) == 2, result.stdout
    for path in pictures:
        assert str(path) in result.stdout.replace("\n", "")
        with Image.open(path) as picture:
            assert picture.format == "PNG"


def test_up_is_idempotent_and_says_where_the_platform_is(platform):
    result = platform.run("up", *platform.options)
    assert result.returncode == 0
    assert platform.url in result.stdout


def test_a_session_tells_its_owner_the_true_address_whatever_the_client_said(platform):
    _, address = platform.api.sign_up("traveller")
    body = {"email": address, "password": PASSWORD}
    session = platform.api.post("/v1/auth/login", body, headers={"X-Forwarded-For": "203.0.113.66"})
    traveller = platform.api.as_user(session["session_token"])
    current = next(each for each in traveller.get("/v1/me/sessions")["items"] if each["current"])
    assert current["ip"] == "127.0.0.1"


def test_a_full_quota_stops_exactly_at_the_limit(platform):
    """The free plan has ten AI jobs: of thirty at once, ten are accepted, and the others are told when to come back."""
    creator, _ = platform.api.sign_up("eager")
    headers = {"Authorization": f"Bearer {creator.token}"}

    def create(_):
        body = {"tool": "memes", "prompt": "one | two"}
        return httpx.post(f"{platform.url}/v1/ai/jobs", json=body, headers=headers, timeout=60)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(create, range(30)))
    assert sorted(answer.status_code for answer in answers) == [202] * 10 + [429] * 20
    refused = next(answer for answer in answers if answer.status_code == 429).json()
    assert (refused["code"], refused["metric"]) == ("quota_exceeded", "ai_generations")
    assert refused["resets_at"]

    def all_done():
        jobs = creator.get("/v1/ai/jobs", params={"limit": 50})["items"]
        return all(job["status"] == "COMPLETED" for job in jobs)

    eventually("all ten memes", all_done, seconds=90)
    eventually("ten counted uses", lambda: creator.get("/v1/me/usage")["ai_generations_count"] == 10)


def test_somebody_elses_job_is_not_found_and_a_revoked_session_is_refused(platform):
    owner, _ = platform.api.sign_up("owner")
    stranger, _ = platform.api.sign_up("stranger")
    job = owner.post("/v1/ai/jobs", {"tool": "images", "prompt": "Blue"}, expect=202)
    with pytest.raises(StepFailed, match="404"):
        stranger.get(f"/v1/jobs/{job['id']}")
    stranger.post("/v1/auth/logout", expect=204)
    with pytest.raises(StepFailed, match="401"):
        stranger.get("/v1/me")


def test_a_forged_identity_is_worth_nothing_at_the_gateway(platform):
    for headers in (
        {"X-Identity-Token": "eyJhbGciOiJub25lIn0.e30."},
        {"X-User-Id": str(uuid4())},
        {"Connection": "X-Identity-Token", "X-Identity-Token": "x"},
    ):
        assert httpx.get(f"{platform.url}/v1/me", headers=headers).status_code == 401


def test_an_uploaded_bomb_is_refused_with_the_right_code(platform):
    creator, _ = platform.api.sign_up("bomber")
    with pytest.raises(StepFailed, match=r"unsupported_media|too_large|INPUT_TOO_LARGE|415|413|422"):
        upload(creator, "photo.png", b"\x89PNG\r\n\x1a\n" + b"not really a picture")


def test_everything_a_stranger_may_see_is_there(platform):
    with httpx.Client(base_url=platform.url) as browser:
        for path in ("/", "/docs", "/openapi.json", "/dev/mail", "/v1/tools", "/v1/faq", "/v1/forum/topics"):
            assert browser.get(path).status_code == 200, path
        for path in ("/_verify", "/internal/openapi.json", "/livez", "/readyz", "/metrics", "/nothing"):
            answer = browser.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_question_in_the_forum_reaches_those_who_take_part(platform):
    asker, _ = platform.api.sign_up("asker")
    helper, _ = platform.api.sign_up("helper")
    handle = helper.get("/v1/me")["handle"]
    body = {"title": "How long may a reel be?", "content": f"Does @{handle} know?", "kind": "question"}
    topic = asker.post("/v1/forum/topics", body, expect=201)

    def kinds(user):
        return [notice["kind"] for notice in user.get("/v1/notifications")["items"]]

    eventually("the helper is told of the mention", lambda: kinds(helper) == ["mention"])
    answer = helper.post(f"/v1/forum/topics/{topic['id']}/comments", {"content": "Ninety seconds."}, expect=201)
    eventually("the asker is told of the answer", lambda: kinds(asker) == ["comment"])
    asker.call("PUT", f"/v1/forum/topics/{topic['id']}/accepted", {"comment_id": answer["id"]})
    eventually("the helper is thanked", lambda: kinds(helper) == ["accepted", "mention"])
    assert helper.get("/v1/notifications")["items"][0]["actor"]["handle"] == asker.get("/v1/me")["handle"]
