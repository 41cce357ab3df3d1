"""What the SQL functions write into the outbox is what the contract says, envelope and all."""

from datetime import datetime
from uuid import UUID

import pytest

from services.jobs import tasks
from services.jobs.app import service
from shared.events.envelope import envelope_of
from tests.support.jobs import claimed, grant_plan, ordered, settle

CLASSES = {event.event_type: event for event in service.publishes}
# Told when a user is erased: tests/jobs/test_erasure.py.
ELSEWHERE = {"user.erased"}


async def test_every_event_reads_as_its_contract_and_is_written_the_same_way(svc, client, user_id):
    await grant_plan(svc, user_id, limits={"ai_generations": 3})
    await ordered(client)
    await settle(svc, await claimed(svc), "RETRY", code="INTERNAL", delay=0)
    file = {"id": str(user_id), "key": "k", "name": "a.png", "kind": "image", "content_type": "image/png"}
    file |= {"bytes": 9, "width": 1, "height": 2, "duration": 1.5, "sha256": "0" * 64}
    await settle(svc, await claimed(svc), files=[file], run_seconds=1.25, url="/v1/x")
    await ordered(client)
    await settle(svc, await claimed(svc), "FAILED", code="ENGINE_FAILED")
    await client.post("/v1/jobs/batches", json={"items": [{"tool": "memes", "prompt": "a | b"}]})
    await settle(svc, await claimed(svc), "FAILED", code="ENGINE_FAILED")
    cancelled = await ordered(client)
    await client.post(f"/v1/jobs/{cancelled['id']}/cancel")
    for _ in range(2):
        await ordered(client)
        await settle(svc, await claimed(svc))
    svc.clock.advance(28 * 86400)
    assert await tasks.warn_of_expiry(svc.runtime) == 1
    svc.clock.advance(3 * 86400)
    assert await tasks.expire_results(svc.runtime) == 1
    published = await svc.published()
    assert {envelope["type"] for envelope in published} == set(CLASSES) - ELSEWHERE
    for envelope in published:
        assert envelope == as_pydantic_writes(envelope)


def as_pydantic_writes(envelope):
    kind = CLASSES[envelope["type"]]
    event = kind.model_validate(envelope["data"], extra="forbid")
    written = envelope_of(
        event,
        event_id=UUID(envelope["id"]),
        source="jobs",
        sequence=int(envelope["sequence"]),
        occurred_at=datetime.fromisoformat(envelope["time"]),
    )
    optional = {name: envelope[name] for name in ("correlationid", "causationid", "actor") if name in envelope}
    for name in ("correlationid", "causationid"):
        written.pop(name, None)
    return {**written, **optional}


async def test_a_job_s_events_carry_its_growing_version(svc, client):
    job = await ordered(client)
    await settle(svc, await claimed(svc), "RETRY", code="INTERNAL", delay=0)
    await settle(svc, await claimed(svc))
    mine = [event for event in await svc.published() if event["subject"] == f"job/{job['id']}"]
    assert [event["type"].removeprefix("job.") for event in mine] == [
        "created",
        "started",
        "retry_scheduled",
        "started",
        "completed",
    ]
    assert [int(event["sequence"]) for event in mine] == [1, 2, 3, 4, 5]
    assert (await client.get(f"/v1/jobs/{job['id']}")).json()["version"] == 5


async def test_no_event_carries_what_people_wrote(svc, client):
    await ordered(client, prompt="my secret | words", metadata={"note": "my secret"})
    await settle(svc, await claimed(svc), data={"captions": ["my secret"]})
    assert "my secret" not in str(await svc.published())


@pytest.mark.parametrize(("days", "status"), [(29, 302), (31, 410)])
async def test_a_result_is_there_until_its_time_is_over(svc, client, user_id, days, status):
    await grant_plan(svc, user_id)
    job = await ordered(client)
    key = f"results/{job['id']}/1-aa/0-a.png"
    await svc.runtime.storage.put(key, b"x")
    file = {"id": str(user_id), "key": key, "name": "a.png", "kind": "image", "content_type": "image/png"}
    file |= {"bytes": 1, "width": 1, "height": 1, "duration": None, "sha256": "0" * 64}
    await settle(svc, await claimed(svc), files=[file], url="/v1/x")
    link = (await client.get(f"/v1/jobs/{job['id']}/result")).headers["Location"]
    svc.clock.advance(days * 86400)
    for swept in (False, True):
        if swept:
            await tasks.expire_results(svc.runtime)
        assert (await client.get(f"/v1/jobs/{job['id']}/result")).status_code == status
        assert (await client.get(link)).status_code == (200 if status == 302 else 410)
    assert (await svc.runtime.storage.list("results/") == []) is (status == 410)
    shown = (await client.get(f"/v1/jobs/{job['id']}")).json()
    assert (shown["result"] is None) is (status == 410)


async def test_the_owner_is_warned_by_one_mail_however_many_results_expire(svc, client, user_id):
    await grant_plan(svc, user_id)
    for _ in range(3):
        await ordered(client)
        await settle(svc, await claimed(svc), url="/v1/x")
    svc.clock.advance(26 * 86400)
    assert await tasks.warn_of_expiry(svc.runtime) == 0
    svc.clock.advance(86400 + 3600)
    assert await tasks.warn_of_expiry(svc.runtime) == 3
    assert await tasks.warn_of_expiry(svc.runtime) == 0
    [mail] = await svc.published("mail.requested")
    assert (mail["data"]["template"], mail["data"]["user_id"]) == ("results_expiring", str(user_id))
    assert mail["data"]["params"]["results"] == 3
    assert len(await svc.published("job.result_expiring")) == 3
