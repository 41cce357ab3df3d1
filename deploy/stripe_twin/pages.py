"""What a buyer sees: the hosted checkout, the billing portal, an invoice, and a front page for developers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deploy.stripe_twin import checkout, invoice_calls, portal
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.books import Books
from deploy.stripe_twin.cards import CARDS
from deploy.stripe_twin.errors import StripeError
from deploy.stripe_twin.forms import parse_form
from deploy.stripe_twin.html import button, form, hidden, link, money, note, page, table

MAX_FORM_BYTES = 20_000


class Pages:
    """Each method is a route; a refusal is told on the same page."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def checkout(self, request: Request) -> Response:
        session_id = request.path_params["session_id"]
        if request.method != "POST":
            return await self._show_checkout(session_id)
        fields = await _form(request)
        error = await self._try(lambda account: _pay(account, session_id, fields))
        async with self._books.read() as account:
            session = await account.get("checkout.session", session_id)
        if session["status"] == "complete":
            url = session["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id)
            return RedirectResponse(url, 303)
        return await self._show_checkout(session_id, error)

    async def _show_checkout(self, session_id: str, error: str | None = None) -> Response:
        async with self._books.read() as account:
            session = await account.get("checkout.session", session_id)
            intent = await account.find("payment_intent", session["_intent"] or "")
        if session["status"] != "open":
            return page(
                "Checkout", note(f"This checkout is {session['status']}."), link(session["success_url"], "Go on")
            )
        waits = intent is not None and intent["status"] == "requires_action"
        return page(
            "Checkout",
            _summary(session),
            note(error, "error") if error else "",
            _confirmation() if waits else _cards(session),
            link(session["cancel_url"], "Cancel and go back"),
            status=402 if error else 200,
        )

    async def portal(self, request: Request) -> Response:
        session_id, error = request.path_params["session_id"], None
        if request.method == "POST":
            fields = await _form(request)
            error = await self._try(lambda account: _manage(account, session_id, fields))
        async with self._books.read() as account:
            session = await portal.portal_session(account, session_id)
            found = [
                (await account.get("product", each["items"]["data"][0]["price"]["product"]), each)
                for each in await portal.portal_subscriptions(account, session)
            ]
            choices = [(each, await portal.other_prices(account, each)) for _, each in found]
        return page(
            "Your subscription",
            note(error, "error") if error else "",
            *(_subscription(product, each) for product, each in found),
            *(_plans(each, prices) for each, prices in choices),
            "" if found else note("There is no running subscription."),
            form(*(button("card", card.name, f"Use {card.number}", card.title) for card in CARDS.values())),
            link(session["return_url"], "Back to the shop"),
        )

    async def invoice(self, request: Request) -> Response:
        invoice_id, error = request.path_params["invoice_id"], None
        if request.method == "POST":
            error = await self._try(lambda account: invoice_calls.pay_on_page(account, invoice_id))
        async with self._books.read() as account:
            invoice = await account.get("invoice", invoice_id)
        rows = [(each["description"], money(each["amount"], each["currency"])) for each in invoice["lines"]["data"]]
        rows.append(("Due", money(invoice["amount_due"], invoice["currency"])))
        return page(
            f"Invoice {invoice['number'] or ''}",
            note(f"This invoice is {invoice['status']}."),
            note(error, "error") if error else "",
            table(rows),
            form(button("pay", "yes", "Pay with the saved card")) if invoice["status"] == "open" else "",
        )

    async def index(self, _request: Request) -> Response:
        async with self._books.read() as account:
            cursor = await account.connection.execute(
                "SELECT o.body, (SELECT string_agg(d.state, ', ') FROM deliveries d WHERE d.event = o.id) AS states "
                "FROM objects o WHERE kind = 'event' ORDER BY seq DESC LIMIT 50"
            )
            rows = await cursor.fetchall()
        events = [
            (f"{_time(row['body']['created'])} {row['body']['type']}", row["states"] or "no endpoint") for row in rows
        ]
        return page(
            "Stripe twin",
            note(f"Its clock says {self._books.clock.now():%Y-%m-%d %H:%M:%S} UTC."),
            table(events) if events else note("Nothing has happened yet."),
        )

    async def _try(self, action: Callable[[Account], Awaitable[Any]]) -> str | None:
        """Do it; return what to tell the reader when it was refused."""
        try:
            await self._books.perform(action)
        except StripeError as error:
            return str(error)
        return None


async def _pay(account: Account, session_id: str, fields: Body) -> None:
    if "confirm" in fields:
        await checkout.confirm(account, session_id, succeeded=fields["confirm"] == "ok")
    elif "code" in fields:
        await checkout.apply_promotion_code(account, session_id, str(fields["code"]))
    else:
        await checkout.pay(account, session_id, str(fields.get("card")))


async def _manage(account: Account, session_id: str, fields: Body) -> None:
    if "card" in fields:
        session = await portal.portal_session(account, session_id)
        await portal.replace_card(account, session["customer"], str(fields["card"]))
    else:
        action, price = str(fields.get("action")), fields.get("price")
        if price:
            action = "change"
        await portal.act(account, session_id, action, str(fields.get("subscription")), str(price))


async def _form(request: Request) -> Body:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_FORM_BYTES:
            raise StripeError(413, "The form is too large.")
    return parse_form(bytes(raw))


def _summary(session: Body) -> str:
    rows = [
        (f"{each['quantity']} x {each['description']}", money(each["amount_subtotal"], each["currency"]))
        for each in session["_line_items"]
    ]
    if off := session["total_details"]["amount_discount"]:
        rows.append(("Discount", money(-off, session["currency"])))
    if days := session["_data"].get("trial_period_days"):
        rows.append(("Trial", f"{days} days free, then"))
    return table([*rows, ("Total", money(session["amount_total"], session["currency"]))])


def _cards(session: Body) -> str:
    cards = form(*(button("card", card.name, f"Pay with {card.number}", card.title) for card in CARDS.values()))
    if session["payment_method_collection"] == "if_required" and session["mode"] == "subscription":
        cards += form(button("card", checkout.NO_CARD, "Begin without a card"))
    if not session["allow_promotion_codes"] or session["discounts"]:
        return cards
    code = '<label>Promotion code <input name="code" required></label>' + button("apply", "yes", "Apply")
    return form(code) + cards


def _confirmation() -> str:
    return note("Your bank asks you to confirm this payment (3D Secure).") + form(
        button("confirm", "ok", "Confirm the payment"), button("confirm", "fail", "Refuse it")
    )


def _subscription(product: Body, subscription: Body) -> str:
    item = subscription["items"]["data"][0]
    price = money(item["price"]["unit_amount"] * item["quantity"], subscription["currency"])
    rows = [
        (product["name"], price),
        ("Status", subscription["status"]),
        ("Ends" if subscription["cancel_at"] else "Renews", _time(item["current_period_end"])),
    ]
    undo = subscription["cancel_at"] is not None
    choice = button("action", "resume", "Keep it") if undo else button("action", "cancel", "Cancel at the period's end")
    return table(rows) + form(
        hidden("subscription", subscription["id"]), choice, button("action", "cancel_now", "Cancel now")
    )


def _plans(subscription: Body, prices: list[Body]) -> str:
    buttons = [
        button("price", each["id"], f"Change to {each['nickname'] or each['lookup_key'] or each['id']}")
        for each in prices
    ]
    return form(hidden("subscription", subscription["id"]), *buttons) if buttons else ""


def _time(timestamp: int) -> str:
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M}"
