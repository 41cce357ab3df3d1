"""The mailer: each wish once, no token before it is sent, and nothing lost when the mail server fails."""

import pytest

from services.accounts.mail_templates import TEMPLATES
from shared.contracts.common import MailRequested
from shared.ids import new_id
from tests.support.accounts import mails, register, sent_mails, sign_up


def wish(user_id, template, *, key=None, **params):
    return MailRequested(template=template, user_id=user_id, params=params, dedupe_key=key or f"test-{new_id()}")


async def inbox_states(svc):
    rows = await svc.rows("SELECT status, last_error FROM inbox WHERE consumer = 'accounts.mailer' ORDER BY seq DESC")
    return [(row["status"], row["last_error"]) for row in rows]


async def test_a_wish_is_granted_once_however_often_it_arrives(svc):
    account = await register(svc)
    receipt = wish(account.id, "payment_receipt", key="receipt-1", amount=3900, currency="usd", plan_name="Viral Plan")
    before = len(sent_mails(svc))
    await svc.receive(receipt)
    await svc.receive(receipt)
    [mail] = sent_mails(svc)[: len(sent_mails(svc)) - before]
    assert mail["to"] == account.email
    assert mail["subject"] == "Your receipt for Viral Plan"
    assert "39.00 USD" in mail["text"]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
async def test_every_mail_reads_well_with_the_facts_its_asker_gives(svc, template):
    await sign_up(svc, "ann@example.com", display_name="Ann {name} %s")
    [row] = await svc.rows("SELECT id FROM users")
    facts = {
        "payment_id": str(new_id()),
        "plan_name": "Viral Plan",
        "ends_on": "2026-12-05",
        "amount": 117,
        "amount_refunded": 5,
        "currency": "eur",
        "tool": "memes",
        "percent": 80,
        "results": 3,
        "left": 9,
        "first_on": "2026-12-05",
        "on": "2026-12-05",
        "metric": "images",
    }
    await svc.receive(wish(row["id"], template, **facts))
    mail = sent_mails(svc)[0]
    text = mail["subject"] + mail["text"].replace("Ann {name} %s", "")
    assert not [gap for gap in ("{", "}", "…", "None") if gap in text]
    assert mail["text"].startswith("Hello Ann {name} %s,\n\n")
    for link in mail["links"]:
        assert link in mail["text"]
        assert link.startswith("http://atelier.test/")


async def test_a_missing_fact_leaves_a_gap_and_not_a_parked_mail(svc):
    account = await register(svc)
    await svc.receive(wish(account.id, "subscription_ended", subscription_id=str(new_id()), plan_id="viral"))
    assert sent_mails(svc)[0]["subject"] == "Your plan has ended"


async def test_a_wish_for_an_unknown_mail_is_parked_and_the_others_go_on(svc):
    account = await register(svc)
    await svc.receive(wish(account.id, "love_letter"))
    await svc.receive(wish(account.id, "payment_refunded", amount_refunded=100))
    assert sent_mails(svc)[0]["subject"] == "Your refund is on its way"
    assert (2, "there is no mail called love_letter") in await inbox_states(svc)


async def test_a_wish_that_comes_too_late_or_for_nobody_is_skipped(svc):
    account = await register(svc)
    before = len(sent_mails(svc))
    late = wish(account.id, "job_completed").model_copy(update={"expires_at": svc.clock.now()})
    await svc.receive(late)
    await svc.receive(wish(new_id(), "job_completed"))
    assert len(sent_mails(svc)) == before
    assert [state for state, _ in (await inbox_states(svc))[:2]] == [3, 3]


async def test_a_mail_server_that_fails_is_tried_again_with_a_token_that_works(svc, monkeypatch):
    await sign_up(svc, "ann@example.com")
    send, failures = svc.runtime.mailer.send, 0

    async def fail_once(mail):
        nonlocal failures
        if not failures:
            failures += 1
            raise ConnectionError("the mail server is away")
        await send(mail)

    monkeypatch.setattr(svc.runtime.mailer, "send", fail_once)
    assert await mails(svc, "ann@example.com") == []
    await svc.rows("UPDATE inbox SET next_attempt_at = now() RETURNING seq")
    [mail] = await mails(svc, "ann@example.com")
    token = mail["links"][0].split("token=")[1]
    async with svc.client() as client:
        assert (await client.post("/v1/auth/verify", json={"token": token})).status_code == 204


async def test_a_crash_after_sending_sends_again_rather_than_never(svc, monkeypatch):
    """The event's transaction is lost after the mail left: the second mail's link works as well."""
    await sign_up(svc, "ann@example.com")
    send = svc.runtime.mailer.send

    async def send_and_crash(mail):
        await send(mail)
        raise RuntimeError("killed")

    monkeypatch.setattr(svc.runtime.mailer, "send", send_and_crash)
    assert len(await mails(svc, "ann@example.com")) == 1
    monkeypatch.setattr(svc.runtime.mailer, "send", send)
    await svc.rows("UPDATE inbox SET next_attempt_at = now() RETURNING seq")
    found = await mails(svc, "ann@example.com")
    assert len(found) == 2
    for mail in found:
        async with svc.client() as client:
            token = mail["links"][0].split("token=")[1]
            assert (await client.post("/v1/auth/verify", json={"token": token})).status_code == 204


async def test_no_event_ever_carries_a_token(svc):
    account = await register(svc)
    await svc.client().post("/v1/auth/password/forgot", json={"email": account.email})
    tokens = [link.split("token=")[1] for mail in await mails(svc) for link in mail["links"] if "token=" in link]
    assert len(tokens) == 2
    written = str(await svc.published())
    assert not [token for token in tokens if token in written]
