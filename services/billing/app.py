"""Billing on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.billing import handlers, tasks, tasks_subscription
from services.billing.models import Base
from services.billing.parts import open_parts
from services.billing.routes import router
from services.billing.settings import BillingSettings
from services.billing.usecases.published import PUBLISHED
from shared.contracts import accounts, community
from shared.events.event import on
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
    subscribes=(
        on(accounts.UserRegistered, handlers.register_user),
        on(accounts.UserEmailChanged, handlers.note_email),
        on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
        on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
        on(community.ReferralAttributed, handlers.note_referral, consumer="referrals", ordered=True),
        on(community.ReferralRejected, handlers.end_discount, consumer="referrals", ordered=True),
        on(community.ReferralConverted, handlers.end_discount, consumer="referrals", ordered=True),
    ),
    every=(
        *(Every(30, task) for task in (tasks.finish_checkouts, tasks.finish_refunds, tasks.follow_accounts)),
        Every(60, tasks.expire_grants),
        *(Every(600, task) for task in (tasks.reconcile_books, tasks.check_invariants)),
        *tasks_subscription.TIMERS,
    ),
    parts=open_parts,
)
