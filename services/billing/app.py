"""Billing on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.billing import tasks, tasks_subscription
from services.billing.heard import HEARD
from services.billing.models import Base
from services.billing.parts import open_parts
from services.billing.routes import router
from services.billing.settings import BillingSettings
from services.billing.usecases.published import PUBLISHED
from shared.service import Service
from shared.timers import Every

service = Service(
    name="billing",
    paths=("/v1/billing/*", "/v1/webhooks/stripe", "/api/checkout/create-session", "/v1/admin/billing/*"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=BillingSettings,
    publishes=PUBLISHED,
    subscribes=HEARD,
    every=(
        *(Every(30, task) for task in (tasks.finish_checkouts, tasks.finish_refunds, tasks.follow_accounts)),
        Every(60, tasks.expire_grants),
        *(Every(600, task) for task in (tasks.reconcile_books, tasks.check_invariants)),
        *tasks_subscription.TIMERS,
    ),
    parts=open_parts,
)
