"""The transport without a broker: outbox rows are copied straight into the subscribers' inboxes.

The copy commits first and the source is marked after, so a crash between the two repeats the copy and the inbox's key
drops the repeat: at least once here, once in effect.
"""

from collections.abc import Mapping, Sequence

from shared.database import Database
from shared.events.envelope import OutboxRow
from shared.events.event import Subscription
from shared.events.inbox import Inbox
from shared.events.transport import Routes


class LocalTransport:
    """Knows the inbox of every service from the start, so that events sent before a service runs are kept for it."""

    def __init__(
        self, databases: Mapping[str, Database], subscriptions: Mapping[str, Sequence[Subscription]], routes: Routes
    ) -> None:
        self._inboxes = {name: Inbox(databases[name], name, subscriptions[name]) for name in databases}
        self._routes = routes

    async def send(self, service: str, rows: Sequence[OutboxRow]) -> dict[int, str | None]:  # noqa: ARG002
        errors: dict[int, str | None] = {}
        for subscriber, inbox in self._inboxes.items():
            wanted = [row for row in rows if subscriber in self._routes.get(row.type, ())]
            if not wanted:
                continue
            try:
                await inbox.store([row.envelope for row in wanted])
            except Exception as error:  # noqa: BLE001 - one subscriber's database may be away; its rows stay ours
                errors |= dict.fromkeys((row.id for row in wanted), f"{subscriber}: {type(error).__name__}")
        return errors

    async def send_to(self, consumer: str, rows: Sequence[OutboxRow]) -> None:
        inbox = self._inboxes[consumer.split(".", maxsplit=1)[0]]
        await inbox.store([{**row.envelope, "replay": True} for row in rows], only=consumer)

    async def attach(self, inbox: Inbox) -> None:
        # The attached inbox wakes its service's workers; the one from the start only stored.
        self._inboxes[inbox.service] = inbox

    async def detach(self, inbox: Inbox) -> None:
        inbox.on_stored = lambda: None
