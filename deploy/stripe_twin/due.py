"""What falls due as the clock moves: renewals, retries, expiries, delayed payments, in the order of their times."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from deploy.stripe_twin import checkout, invoices, payments, refunds, subscriptions
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.books import Books
from deploy.stripe_twin.customers import card_of
from deploy.stripe_twin.errors import invalid
from deploy.stripe_twin.store import Connection

log = logging.getLogger(__name__)
TICK_SECONDS = 0.5


async def settle_intent(account: Account, intent_id: str, *, succeeded: bool) -> Body:
    """A bank debit came through or bounced; its invoice, subscription and session follow."""
    intent = await account.get("payment_intent", intent_id)
    if intent["status"] != "processing":
        raise invalid(f"This PaymentIntent is {intent['status']}, not processing.", param="payment_intent")
    await account.unschedule(intent_id, ["settle_intent"])
    if succeeded:
        await payments.succeed(account, intent)
    else:
        await payments.fail(account, intent, "insufficient_funds")
    if intent.get("_invoice"):
        await _settle_invoice(account, intent, succeeded=succeeded)
    if intent.get("_session"):
        await checkout.settle(account, intent["_session"], succeeded=succeeded)
    return intent


async def _settle_invoice(account: Account, intent: Body, *, succeeded: bool) -> None:
    invoice = await account.get("invoice", intent["_invoice"])
    if succeeded:
        await invoices.mark_paid(account, invoice, intent)
    else:
        await invoices.mark_failed(account, invoice)
    await subscriptions.follow(account, invoice, paid=succeeded)


async def _settle_by_card(account: Account, intent_id: str) -> None:
    intent = await account.get("payment_intent", intent_id)
    if intent["status"] == "processing":
        method = await account.get("payment_method", intent["payment_method"])
        await settle_intent(account, intent_id, succeeded=card_of(method).settles)


ACTIONS: dict[str, Callable[[Account, str], Awaitable[Any]]] = {
    "renew": subscriptions.renew,
    "end_as_planned": subscriptions.end_as_planned,
    "warn_of_trial_end": subscriptions.warn_of_trial_end,
    "expire_incomplete": subscriptions.expire_incomplete,
    "retry_invoice": subscriptions.retry_invoice,
    "expire_session": checkout.expire_when_due,
    "settle_intent": _settle_by_card,
    "fail_refund": refunds.fail_refund,
}


async def run_due(books: Books) -> int:
    """Do all that is due by now, each in a transaction dated to its own due time; returns how many."""
    count = 0
    while await _run_next(books):
        count += 1
        books.wake()
    return count


async def _run_next(books: Books) -> bool:
    async with books.store.write() as connection:
        appointment = await _take_next(connection, books.now())
        if appointment is None:
            return False
        account = books.account(connection)
        account.now = appointment["due"]
        await ACTIONS[appointment["action"]](account, appointment["subject"])
        return True


async def _take_next(connection: Connection, now: int) -> Body | None:
    cursor = await connection.execute(
        "DELETE FROM schedule WHERE seq = (SELECT seq FROM schedule WHERE due <= %s ORDER BY due, seq LIMIT 1) "
        "RETURNING action, subject, due",
        [now],
    )
    return await cursor.fetchone()


async def keep_time(books: Books) -> None:
    """Follow the clock, whoever moves it, until cancelled."""
    while True:
        try:
            await run_due(books)
        except Exception:
            log.exception("What is due could not be done; trying again.")
        await asyncio.sleep(TICK_SECONDS)
