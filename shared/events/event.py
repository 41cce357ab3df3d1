"""What an event is: a frozen pydantic model with a type, a version, its publishers and its subject."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from shared.runtime import Runtime


class Event(BaseModel):
    """A fact some service publishes. Subclasses live in `shared/contracts` and name themselves:

    `class PaymentPaid(Event, type="payment.paid", publishers=("billing",), subject="payment/{payment_id}")`.

    The subject is `aggregate/id`; its placeholders are fields of the event. Unknown fields are ignored, so that
    a consumer survives a publisher that is ahead of it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    event_type: ClassVar[str]
    event_version: ClassVar[int]
    event_publishers: ClassVar[tuple[str, ...]]
    subject_template: ClassVar[str]

    def __init_subclass__(
        cls,
        *,
        type: str = "",  # noqa: A002 - the field's own word, as in the envelope
        publishers: tuple[str, ...] = (),
        subject: str = "",
        version: int = 1,
        **_: Any,
    ) -> None:
        super().__init_subclass__()
        if type:
            cls.event_type, cls.event_version = type, version
            cls.event_publishers, cls.subject_template = publishers, subject

    @property
    def event_subject(self) -> str:
        return self.subject_template.format_map(dict(self))


@dataclass(frozen=True, slots=True)
class EventContext:
    """What a handler may know besides the event itself."""

    runtime: "Runtime"
    event_id: UUID
    subject: str
    sequence: int
    occurred_at: datetime
    replay: bool = False


type_of_handler = Callable[[Any, Any, EventContext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One consumer of one event type.

    `ordered` consumers see a subject's events in order; `on_park="block"` makes later events of a subject wait for a
    parked one, `"continue"` lets them pass.
    """

    event: type[Event]
    handler: type_of_handler
    consumer: str
    ordered: bool = False
    on_park: Literal["block", "continue"] = "block"


def on(
    event: type[Event],
    handler: type_of_handler,
    *,
    consumer: str | None = None,
    ordered: bool = False,
    on_park: Literal["block", "continue"] = "block",
) -> Subscription:
    """Subscribe `async def handler(session, event, context)`. The consumer's name defaults to the handler's own."""
    return Subscription(event, handler, consumer or handler.__name__, ordered, on_park)
