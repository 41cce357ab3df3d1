"""Manifests that stand for the real ones: every event from its first publisher, one consumer in order and one not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import MetaData

from shared.contracts.billing import PaymentPaid
from shared.contracts.common import MailRequested
from shared.contracts.registry import all_versions
from shared.events.event import Event, Subscription, on
from shared.routing import Router

SERVICES = ("accounts", "billing", "chat", "community", "jobs")


@dataclass(frozen=True)
class Manifest:
    name: str
    publishes: tuple[type[Event], ...]
    subscribes: tuple[Subscription, ...] = ()
    paths: tuple[str, ...] = ()
    body_limits: Mapping[str, int] = field(default_factory=dict)
    metadata: MetaData = field(default_factory=MetaData)
    router: Router = field(default_factory=Router)


async def accrue(session, event, context):
    """Stands for a handler."""


async def send(session, event, context):
    """Stands for a handler."""


SUBSCRIPTIONS = {
    "accounts": (on(MailRequested, send, consumer="mailer"),),
    "community": (on(PaymentPaid, accrue, consumer="commissions", ordered=True),),
}

MANIFESTS = tuple(
    Manifest(
        name,
        tuple(event for event in all_versions().values() if name in event.event_publishers),
        SUBSCRIPTIONS.get(name, ()),
    )
    for name in SERVICES
)
