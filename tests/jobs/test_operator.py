"""What an operator sees and orders: over HTTP, as metrics, and from the command line."""

import asyncio
import os
import sys
from pathlib import Path

import pytest_asyncio
from typer.testing import CliRunner

from deploy.cli.jobs import app
from services.jobs import operator
from tests.support.jobs import claim, claimed, grant_plan, ordered, settle, someone

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("accounts", "billing", "chat", "jobs", "community")


def environment(svc):
    urls = {f"{name.upper()}_DATABASE_URL": svc.runtime.database.url for name in SERVICES}
    return {**urls, "STORAGE_URL": str(svc.runtime.storage.folder)}


async def atelier(svc, *arguments):
    """`./atelier jobs …` on the service's database, in a thread: the command runs an event loop of its own."""
    result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment(svc))
    return result.exit_code, result.output


async def metrics_of(svc):
    async with svc.client() as anybody:
        text = (await anybody.get("/metrics")).text
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("jobs_"))


@pytest_asyncio.fixture
async def busy(svc, client, user_id):
    """Two ready, one running, one that waits for its time; and somebody else with one."""
    await grant_plan(svc, user_id, max_running=1)
    for _ in range(3):
        await ordered(client, "sleep")
    await ordered(client, "sleep", run_at="2999-01-01T00:00:00Z")
    await claimed(svc)
    svc.clock.advance(30)
    async with svc.client(someone()) as other:
        await ordered(other, "sleep")
    return svc


async def test_lanes_show_what_is_ready_running_and_waiting(busy):
    lanes = {lane["lane"]: lane for lane in await operator.list_lanes(busy.runtime)}
    interactive = lanes["interactive"]
    assert [interactive[name] for name in ("ready", "running", "waiting", "tenants", "slots")] == [3, 1, 1, 2, 0]
    assert interactive["oldest_ready_seconds"] == 30
    assert [lanes["render"][name] for name in ("ready", "running", "waiting")] == [0, 0, 0]


async def test_the_metrics_tell_the_same_figures(busy):
    told = await metrics_of(busy)
    assert told['jobs_queue_depth{lane="interactive",state="ready"}'] == "3.0"
    assert told['jobs_queue_depth{lane="interactive",state="running"}'] == "1.0"
    assert told['jobs_queue_depth{lane="interactive",state="waiting"}'] == "1.0"
    assert told['jobs_oldest_ready_seconds{lane="interactive"}'] == "30.0"
    assert told['jobs_tenants_waiting{lane="interactive"}'] == "2.0"
    assert told['jobs_lane_paused{lane="interactive"}'] == "0.0"
    await operator.pause_lane(busy.runtime, "interactive", by=None)
    assert (await metrics_of(busy))['jobs_lane_paused{lane="interactive"}'] == "1.0"


async def test_top_shows_lanes_tenants_and_workers_once_for_scripts(busy, user_id):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "jobs", "top", "--once",
        env={**os.environ, **environment(busy)}, cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line.strip()}
    assert lines["interactive"][1:6] == ["3", "1", "0", "1", "2"]
    assert lines[str(user_id)][1:5] == ["interactive", "1", "1", "2"]
    assert "webhooks waiting: 0" in said


async def test_a_lane_is_paused_and_resumed_from_the_command_line(busy):
    assert (await atelier(busy, "pause", "interactive"))[0] == 0
    assert await claim(busy) is None
    assert "paused" in (await atelier(busy, "top", "--once"))[1]
    assert (await atelier(busy, "resume", "interactive"))[0] == 0
    assert await claim(busy) is not None
    assert (await atelier(busy, "pause", "nonsense"))[0] == 1


async def test_a_job_is_tried_again_from_the_command_line_on_its_owner_s_quota(svc, client):
    job = await ordered(client, "memes")
    assert (await atelier(svc, "retry", job["id"]))[0] == 1
    await settle(svc, await claimed(svc), "FAILED", code="INTERNAL")
    code, said = await atelier(svc, "retry", job["id"])
    assert code == 0, said
    again = (await client.get(f"/v1/jobs/{said.split()[-1]}")).json()
    assert (again["retry_of"], again["status"]) == (job["id"], "PENDING")


async def test_workers_are_drained_from_the_command_line(svc):
    async with svc.client(someone(), scopes=["runner"], kid="k", sid=None) as box:
        body = {"tools": ["sleep"], "worker_id": "box"}
        assert (await box.post("/v1/runner/claim", json=body)).json()["draining"] is False
        assert (await atelier(svc, "drain", "nobody"))[0] == 1
        assert (await atelier(svc, "drain", "--all"))[0] == 0
        assert (await box.post("/v1/runner/claim", json=body)).json()["draining"] is True


async def test_reconcile_reports_zero_and_finds_a_counter_that_drifted(busy, user_id):
    code, said = await atelier(busy, "reconcile")
    assert (code, said.split()[-2:]) == (0, ["0", "differences"])
    await busy.rows("UPDATE tenant_lanes SET ready = ready + 1 WHERE user_id = %(u)s RETURNING 1", u=user_id)
    code, said = await atelier(busy, "reconcile")
    assert (code, "tenant_lanes" in said) == (1, True)


async def test_reconcile_finds_a_batch_that_was_miscounted(svc, client):
    await client.post("/v1/jobs/batches", json={"items": [{"tool": "sleep"}, {"tool": "sleep"}]})
    assert await operator.reconcile(svc.runtime) == []
    await svc.rows("UPDATE job_batches SET pending = 1 RETURNING 1")
    [drift] = await operator.reconcile(svc.runtime)
    assert (drift["what"], drift["counted"]["pending"], drift["found"]["pending"]) == ("job_batches", 1, 2)
