"""Community on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.community import handlers, tasks
from services.community.endpoints import router
from services.community.models import Base
from services.community.seed import seed
from services.community.settings import CommunitySettings
from shared.contracts import accounts, billing
from shared.contracts import community as events
from shared.events.event import on
from shared.service import Service
from shared.timers import Every

service = Service(
    name="community",
    paths=("/v1/forum/*", "/v1/faq*", "/v1/notifications*", "/v1/affiliates/*", "/r/{code}", "/v1/admin/community/*"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=CommunitySettings,
    publishes=(
        *(events.FaqItemPublished, events.FaqItemUnpublished),
        *(events.ForumTopicCreated, events.ForumTopicRemoved, events.ForumCommentCreated, events.ForumAnswerAccepted),
        *(events.AffiliateApproved, events.AffiliateSuspended),
        *(events.ReferralAttributed, events.ReferralRejected, events.ReferralConverted),
        *(events.CommissionAccrued, events.CommissionReversed, events.CommissionApproved),
    ),
    subscribes=(
        on(accounts.UserRegistered, handlers.note_registration, consumer="registrations"),
        on(accounts.UserUpdated, handlers.note_update, consumer="profiles"),
        on(billing.PaymentPaid, handlers.record_payment),
        *(on(kind, handlers.record_refund) for kind in (billing.PaymentRefunded, billing.PaymentRefundReverted)),
        *(on(kind, handlers.record_dispute) for kind in (billing.PaymentDisputed, billing.PaymentDisputeClosed)),
    ),
    every=(Every(5, tasks.fold_views), Every(60, tasks.approve_commissions)),
    seed=seed,
    body_limits={"/v1/": 256 * 1024},
)
