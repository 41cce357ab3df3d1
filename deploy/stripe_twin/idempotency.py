"""Stripe's idempotency keys: the first executed answer is kept for 24 hours, errors included."""

import hashlib
import json
from dataclasses import dataclass

from deploy.stripe_twin.account import DAY, Body
from deploy.stripe_twin.errors import StripeError
from deploy.stripe_twin.store import Connection

MAX_KEY_LENGTH = 255


@dataclass(frozen=True)
class Answer:
    status: int
    body: Body
    replayed: bool = False


def fingerprint(method: str, path: str, params: Body) -> str:
    canonical = json.dumps([method, path, params], sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


async def find_answer(connection: Connection, key: str, print_: str, now: int) -> Answer | None:
    """Raises idempotency_error when the key was used for another request."""
    await connection.execute("DELETE FROM idempotency WHERE created <= %s", [now - DAY])
    cursor = await connection.execute("SELECT fingerprint, status, body FROM idempotency WHERE key = %s", [key])
    row = await cursor.fetchone()
    if row is None:
        return None
    if row["fingerprint"] != print_:
        raise StripeError(
            400,
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request.",
            type="idempotency_error",
        )
    return Answer(row["status"], row["body"], replayed=True)


async def keep_answer(connection: Connection, key: str, print_: str, now: int, answer: Answer) -> None:
    await connection.execute(
        "INSERT INTO idempotency VALUES (%s, %s, %s, %s, %s)",
        [key, print_, now, answer.status, json.dumps(answer.body)],
    )


def in_use(key: str) -> StripeError:
    return StripeError(
        409,
        f"There is currently another in-progress request using this idempotency key ({key}).",
        type="idempotency_error",
        code="idempotency_key_in_use",
    )


def too_long() -> StripeError:
    return StripeError(400, f"Idempotency keys are at most {MAX_KEY_LENGTH} characters.", type="idempotency_error")
