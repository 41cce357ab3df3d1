"""The plug is pulled on the whole platform, again and again; the next start goes on as if nothing had happened."""

import random

import pytest

from deploy.cli.api import StepFailed, eventually
from deploy.embedded.processes import free_port
from tests.support.platform import Platform

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

CUTS = 4
JOBS_PER_ROUND = 2


@pytest.fixture
def platform(tmp_path):
    platform = Platform(tmp_path / "home", free_port())
    platform.start()
    yield platform
    if platform.process is not None and platform.process.poll() is None:
        platform.stop()


def test_each_accepted_job_ends_once_and_each_event_has_its_effect_once(platform):
    chance = random.Random(7)
    creator, _ = platform.api.sign_up("survivor")
    token = creator.token
    accepted = []
    for _ in range(CUTS):
        wanted = {"tool": "memes", "prompt": "up | down"}
        accepted += [creator.post("/v1/ai/jobs", wanted, expect=202)["id"] for _ in range(JOBS_PER_ROUND)]
        # Somewhere between accepting, starting, drawing, settling and telling.
        eventually_or_not(creator, accepted[-1], chance.uniform(0, 0.6))
        platform.kill()
        platform.start()
        creator = platform.api.as_user(token)

    def ended():
        jobs = {job["id"]: job["status"] for job in creator.get("/v1/ai/jobs", params={"limit": 100})["items"]}
        return jobs if all(status == "COMPLETED" for status in jobs.values()) else None

    jobs = eventually("every accepted job", ended, seconds=90)
    assert set(accepted) == set(jobs)
    eventually("the usage", lambda: creator.get("/v1/me/usage")["ai_generations_count"] == len(accepted))
    held = creator.get("/v1/jobs/usage")["ai_generations"]
    assert (held["used"], held["reserved"]) == (len(accepted), 0)


def test_a_payment_whose_webhook_met_the_cut_is_booked_once(platform):
    creator, _ = platform.api.sign_up("buyer")
    token = creator.token
    checkout = creator.post("/v1/billing/checkout", {"plan_id": "viral", "interval": "month"}, expect=201)
    platform.api.post(f"/twin/stripe/_control/checkout/{checkout['session_id']}/pay", {"card": "ok"})
    platform.kill()
    platform.start()
    creator = platform.api.as_user(token)
    payments = eventually("the payment", lambda: paid(creator))
    assert len(payments) == 1
    eventually("the plan", lambda: creator.get("/v1/billing/entitlement")["plan_id"] == "viral")


def paid(creator):
    items = creator.get("/v1/billing/payments")["items"]
    return items if all(item["status"] == "PAID" for item in items) else None


def eventually_or_not(creator, job_id, seconds):
    """Watch the job for at most so long; whether it ended by then is left to chance."""
    try:
        eventually("the job", lambda: creator.get(f"/v1/jobs/{job_id}")["status"] == "COMPLETED", seconds=seconds)
    except StepFailed:
        return
