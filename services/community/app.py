"""Community on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.community import handlers, tasks
from services.community.endpoints import router
from services.community.models import Base
from services.community.published import PUBLISHED
from services.community.seed import seed
from services.community.settings import CommunitySettings
from shared.contracts import accounts, billing, community
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
    publishes=PUBLISHED,
    subscribes=(
        on(accounts.UserRegistered, handlers.note_registration, consumer="registrations"),
        on(accounts.UserUpdated, handlers.note_update, consumer="profiles"),
        on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
        on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
        on(community.ForumTopicCreated, handlers.tell_of_topic, consumer="notifications"),
        on(community.ForumCommentCreated, handlers.tell_of_comment, consumer="notifications"),
        on(community.ForumAnswerAccepted, handlers.tell_of_acceptance, consumer="notifications"),
        on(billing.PaymentPaid, handlers.record_payment),
        *(on(kind, handlers.record_refund) for kind in (billing.PaymentRefunded, billing.PaymentRefundReverted)),
        *(on(kind, handlers.record_dispute) for kind in (billing.PaymentDisputed, billing.PaymentDisputeClosed)),
    ),
    every=(Every(5, tasks.fold_views), Every(60, tasks.approve_commissions), Every(6 * 3600, tasks.tidy_up)),
    seed=seed,
    body_limits={"/v1/": 256 * 1024},
)
