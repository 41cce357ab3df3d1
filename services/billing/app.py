"""Billing on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.billing import endpoints, endpoints_admin, handlers, tasks
from services.billing.models import Base
from services.billing.parts import open_parts
from services.billing.settings import BillingSettings
from services.billing.usecases.published import PUBLISHED
from shared.contracts.accounts import UserEmailChanged, UserRegistered
from shared.events.event import on
from shared.routing import Router
from shared.service import Service
from shared.timers import Every

router = Router()
router.include(endpoints.router)
router.include(endpoints_admin.router)

service = Service(
    name="billing",
    paths=("/v1/billing/*", "/v1/webhooks/stripe", "/api/checkout/create-session", "/v1/admin/billing/*"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=BillingSettings,
    publishes=PUBLISHED,
    subscribes=(on(UserRegistered, handlers.register_user), on(UserEmailChanged, handlers.note_email)),
    every=(Every(30, tasks.finish_checkouts), Every(30, tasks.finish_refunds), Every(60, tasks.end_grace)),
    parts=open_parts,
)
