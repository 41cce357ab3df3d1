"""The levers that real Stripe does not have: pay as a buyer, move the clock, disturb deliveries, make calls fail."""

import json
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.stripe_twin import checkout, disputes, due, fraud_warnings, notices, outbound, portal, refunds
from deploy.stripe_twin.account import Account, Body
from deploy.stripe_twin.books import Books
from deploy.stripe_twin.errors import StripeError, invalid, no_such
from deploy.stripe_twin.expansion import without_private
from deploy.stripe_twin.settings import TwinSettings

YEARS = 20 * 366 * 86_400
MAX_BODY_BYTES = 100_000


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


C = TypeVar("C", bound=_Command)


class PayWith(_Command):
    card: str
    promotion_code: str | None = None


class Confirm(_Command):
    outcome: Literal["ok", "fail"] = "ok"


class Advance(_Command):
    seconds: Annotated[float, Field(ge=0, le=YEARS)]


class Delivery(_Command):
    """`duplicate` is a number of extra copies, `drop` all, the next n events, or events of these types."""

    duplicate: bool | Annotated[int, Field(ge=0, le=20)] | None = None
    shuffle: bool | None = None
    drop: bool | Annotated[int, Field(ge=0)] | list[str] | None = None
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] | None = None
    stop: bool | None = None


class Fault(_Command):
    method: str
    path: str
    kind: Literal["timeout_before", "timeout_after", "429", "500", "409", "reset"]
    times: Annotated[int, Field(ge=1, le=10_000)] = 1


class Controls:
    """Each method is a route under /twin/stripe/_control; the README lists them."""

    def __init__(self, books: Books, settings: TwinSettings) -> None:
        self._books = books
        self._settings = settings

    async def pay(self, request: Request) -> Response:
        """A decline is an answer here, not an error: `{outcome: "declined"}` and the session stays open."""
        command, session_id = await _read(request, PayWith), request.path_params["session_id"]

        async def action(account: Account) -> Body:
            if command.promotion_code:
                await checkout.apply_promotion_code(account, session_id, command.promotion_code)
            return await checkout.pay(account, session_id, command.card)

        return await self._paid(session_id, action)

    async def confirm(self, request: Request) -> Response:
        command, session_id = await _read(request, Confirm), request.path_params["session_id"]

        async def action(account: Account) -> Body:
            return await checkout.confirm(account, session_id, succeeded=command.outcome == "ok")

        return await self._paid(session_id, action)

    async def _paid(self, session_id: str, action: Any) -> Response:
        refusal: Body = {}
        try:
            await self._books.perform(action)
        except StripeError as error:
            if not error.keeps_effects:
                raise
            refusal = error.body["error"]
        async with self._books.read() as account:
            session = await account.get("checkout.session", session_id)
            intent = await account.find("payment_intent", session["_intent"] or "")
        return JSONResponse({**_outcome(session, intent, refusal), "error": refusal or None})

    async def advance(self, request: Request) -> Response:
        """Move the clock, then do all that fell due, in order; the answer comes when it is done."""
        command = await _read(request, Advance)
        now = self._books.clock.advance(command.seconds)
        count = await due.run_due(self._books)
        return JSONResponse({"now": now.isoformat(), "happened": count})

    async def delivery(self, request: Request) -> Response:
        """Turn the knobs that are given and leave the others; answers all of them."""
        command = await _read(request, Delivery)
        turned = command.model_dump(exclude_none=True)

        async def action(account: Account) -> Body:
            await outbound.turn_knobs(account.connection, turned)
            return await outbound.knobs(account.connection)

        return JSONResponse(await self._books.perform(action))

    async def resend(self, request: Request) -> Response:
        event_id = request.path_params["event_id"]

        async def action(account: Account) -> int:
            await account.get("event", event_id)
            return await outbound.resend(account.connection, event_id)

        return JSONResponse({"event": event_id, "deliveries": await self._books.perform(action)})

    async def fault(self, request: Request) -> Response:
        command = await _read(request, Fault)
        async with self._books.store.statement() as connection:
            await connection.execute(
                "INSERT INTO faults (method, path, kind, times) VALUES (%s, %s, %s, %s)",
                [command.method.upper(), command.path, command.kind, command.times],
            )
        return JSONResponse(command.model_dump())

    async def payment(self, request: Request) -> Response:
        """Suspect or dispute a payment, decide the dispute, or let a delayed payment come or bounce before its day."""
        intent_id, name = request.path_params["payment_intent"], request.path_params["action"]

        async def action(account: Account) -> Body:
            if name == "fraud_warning":
                return await fraud_warnings.warn(account, intent_id)
            if name == "dispute":
                return await disputes.open_dispute(account, intent_id)
            if name in ("dispute_win", "dispute_lose"):
                return await disputes.close_dispute(account, intent_id, "won" if name == "dispute_win" else "lost")
            if name in ("settle", "bounce"):
                return await due.settle_intent(account, intent_id, succeeded=name == "settle")
            raise no_such("control", name, "action")

        return JSONResponse(without_private(await self._books.perform(action)))

    async def fail_refund(self, request: Request) -> Response:
        refund_id = request.path_params["refund_id"]
        body = await self._books.perform(lambda account: refunds.fail_refund(account, refund_id))
        return JSONResponse(without_private(body))

    async def replace_card(self, request: Request) -> Response:
        command, customer_id = await _read(request, PayWith), request.path_params["customer_id"]
        body = await self._books.perform(lambda account: portal.replace_card(account, customer_id, command.card))
        return JSONResponse(without_private(body))

    async def reset(self, _request: Request) -> Response:
        """Forget everything but the configured endpoint. The clock stays where it is."""
        await self._books.store.clear()
        await self.configure()
        return JSONResponse({"reset": True})

    async def configure(self) -> None:
        await self._books.perform(
            lambda account: notices.configure_endpoint(
                account, self._settings.webhook_url, self._settings.webhook_secret, self._settings.webhook_events
            )
        )


def _outcome(session: Body, intent: Body | None, refusal: Body) -> Body:
    if refusal:
        outcome = "declined"
    elif session["status"] == "open":
        outcome = "requires_action"
    else:
        outcome = "processing" if session["payment_status"] == "unpaid" else "succeeded"
    return {
        "outcome": outcome,
        "session": session["id"],
        "status": session["status"],
        "payment_status": session["payment_status"],
        "payment_intent": intent["id"] if intent else None,
        "subscription": session["subscription"],
        "customer": session["customer"],
    }


async def _read(request: Request, kind: type[C]) -> C:
    raw = await _limited_body(request)
    try:
        command = json.loads(raw or b"{}")
        _refuse_unstorable(command)
        return kind.model_validate(command)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise invalid(first["msg"], param=".".join(map(str, first["loc"])) or None) from None
    except ValueError as error:
        raise invalid("The body is not JSON.") from error


def _refuse_unstorable(command: Any) -> None:
    """Raises ValueError for text that Postgres can't keep: half surrogates and NUL."""
    text = json.dumps(command, ensure_ascii=False)
    text.encode()
    if "\\u0000" in text:
        raise ValueError("NUL")


async def _limited_body(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise StripeError(413, "The request body is too large.")
    return bytes(raw)
