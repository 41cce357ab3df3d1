"""What a provider is asked and what can come of it."""

from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Request:
    """One job, as a provider sees it."""

    job_id: UUID
    tool: str
    model: str
    prompt: str
    options: dict[str, Any]
    seed: int


@dataclass(frozen=True, slots=True)
class Made:
    """What the provider made, byte for byte."""

    pieces: list[bytes]
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider works on it under this id."""

    remote_id: str


class NotAccepted(Exception):
    """The provider has not begun, so the work may go elsewhere or be tried again. `retry_after` in seconds."""

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_after = code, message, retry_after


class TryAgain(Exception):
    """Only the same provider may be asked again, under the same key: it may have begun."""

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.retry_after = code, message, retry_after


class Refused(Exception):
    """The provider will never do this; the message is written for the user."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Uncertain(Exception):
    """The request was sent and its answer was lost: it may have been accepted."""


class Provider(Protocol):
    """Synchronous providers answer `submit` with what they made, the others with an id to ask for."""

    async def submit(self, request: Request) -> Made | Accepted: ...

    async def poll(self, remote_id: str) -> Made | None:
        """What was made, or None while the work goes on. Raises Refused when it failed, NotAccepted to ask later."""

    async def cancel(self, remote_id: str) -> None: ...
