"""Accounts on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.accounts import tasks
from services.accounts.endpoints import router
from services.accounts.heard import HEARD
from services.accounts.models import Base
from services.accounts.parts import open_parts
from services.accounts.published import PUBLISHED
from services.accounts.settings import AccountsSettings
from shared.service import Service
from shared.timers import Every

service = Service(
    name="accounts",
    paths=("/v1/auth/*", "/v1/me*", "/v1/users/*", "/v1/admin/accounts/*", "/.well-known/jwks.json"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=AccountsSettings,
    publishes=PUBLISHED,
    subscribes=HEARD,
    every=(
        Every(60, tasks.write_key_use, everywhere=True),
        Every(10, tasks.follow_deletions),
        Every(3600, tasks.rotate_signing_keys),
        Every(3600, tasks.prune),
    ),
    parts=open_parts,
    body_limits={"/v1/": 64 * 1024},
)
