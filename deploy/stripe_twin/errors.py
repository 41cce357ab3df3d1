"""Refusals in Stripe's own words, so that the SDK raises the exception it would raise for the real thing."""

from typing import Any


class StripeError(Exception):
    """A refusal with Stripe's error body.

    `keeps_effects` says that what was done up to here stands (a declined charge is recorded, then refused).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",  # noqa: A002 -- Stripe's name for it
        code: str | None = None,
        param: str | None = None,
        decline_code: str | None = None,
        keeps_effects: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keeps_effects = keeps_effects
        fields = {"type": type, "code": code, "param": param, "decline_code": decline_code, "message": message}
        self.body: dict[str, Any] = {"error": {name: value for name, value in fields.items() if value is not None}}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> StripeError:
    return StripeError(400, message, param=param, code=code)


def no_such(kind: str, object_id: str, param: str = "id") -> StripeError:
    name = kind.rsplit(".", maxsplit=1)[-1].replace("_", " ")
    return StripeError(404, f"No such {name}: '{object_id}'", code="resource_missing", param=param)


def declined(decline_code: str, *, keeps_effects: bool = True) -> StripeError:
    if decline_code == "authentication_required":
        message, code = "This payment requires authentication.", "authentication_required"
    else:
        message, code = "Your card was declined.", "card_declined"
    return StripeError(
        402, message, type="card_error", code=code, decline_code=decline_code, keeps_effects=keeps_effects
    )
