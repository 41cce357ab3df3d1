"""What a service runs on. A composition root builds one per service; the service never learns where it runs."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from shared.clock import Clock
from shared.database import Database
from shared.identity import Keys
from shared.mail import Mailer
from shared.pagination import Cursors
from shared.settings import Settings
from shared.storage import Storage

if TYPE_CHECKING:
    from shared.events.transport import Transport

ALL_ROLES = frozenset({"web", "worker", "runner"})


@dataclass(slots=True)
class Runtime:
    """`roles` decides what the app's lifespan starts: `web` serves, `worker` relays, consumes and keeps timers,
    `runner` works jobs off. `parts` holds what the service's own `parts` factory opened (a gateway, an index)."""

    service: str
    settings: Settings
    database: Database
    transport: "Transport"
    http: httpx.AsyncClient
    clock: Clock
    storage: Storage
    mailer: Mailer
    keys: Keys
    roles: frozenset[str] = ALL_ROLES
    parts: Any = None
    cursors: Cursors = field(init=False)

    def __post_init__(self) -> None:
        self.cursors = Cursors(self.settings.signing_secret)
