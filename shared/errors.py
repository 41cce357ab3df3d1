"""Typed problems: the one shape every error leaves the platform in (`application/problem+json`, RFC 9457)."""

from datetime import datetime
from typing import Any, ClassVar


class Problem(Exception):
    """A refusal the caller can act on. Subclasses state the fact; `code` is stable, `detail` is for people."""

    status: ClassVar[int] = 500
    code: str = "internal"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.code = code or type(self).code
        self.errors = errors
        self.headers = headers or {}
        self.extra = extra

    def body(self, request_id: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": f"/problems/{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "request_id": request_id,
            **self.extra,
        }
        return body if self.errors is None else {**body, "errors": self.errors}


class BadRequest(Problem):
    status, code, title = 400, "bad_request", "The request could not be read"


class Unauthorized(Problem):
    status, code, title = 401, "unauthorized", "Sign in to do this"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "You may not do this"


class FreshLoginRequired(Forbidden):
    code, title = "reauthentication_required", "Confirm your password first"


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is nothing here"


class Conflict(Problem):
    status, code, title = 409, "conflict", "The current state does not allow this"


class Gone(Problem):
    status, code, title = 410, "gone", "This is no longer available"


class PreconditionFailed(Problem):
    status, code, title = 412, "precondition_failed", "Somebody else changed this meanwhile"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "The body is too large"


class UnsupportedMedia(Problem):
    status, code, title = 415, "unsupported_media", "This media type is not supported"


class Unprocessable(Problem):
    status, code, title = 422, "invalid", "The request is not valid"


class PreconditionRequired(Problem):
    status, code, title = 428, "precondition_required", "Send If-Match with the version you edited"


class RateLimited(Problem):
    """`retry_after` is in whole seconds."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, retry_after: int, detail: str | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})


class QuotaExceeded(Problem):
    """The plan's limit for one metric is used up until `resets_at`."""

    status, code, title = 429, "quota_exceeded", "Your plan's limit is used up"

    def __init__(self, metric: str, resets_at: datetime) -> None:
        stamp = resets_at.isoformat().replace("+00:00", "Z")
        super().__init__(f"No {metric} left in this period.", metric=metric, resets_at=stamp)


class Unavailable(Problem):
    """Busy or an outside party is down; `retry_after` is in whole seconds."""

    status, code, title = 503, "unavailable", "Busy, please try again"

    def __init__(self, detail: str | None = None, *, retry_after: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})
