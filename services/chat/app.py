"""Chat: conversations with an assistant that answers from the FAQ and says when it can't."""

from pathlib import Path

from services.chat import handlers, tasks
from services.chat.endpoints import router
from services.chat.models import Base
from services.chat.parts import open_parts
from services.chat.settings import ChatSettings
from shared.contracts import accounts, billing, chat, common, community
from shared.events.event import on
from shared.service import Service
from shared.timers import Every

service = Service(
    name="chat",
    paths=("/v1/chat/*", "/v1/admin/chat/*"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=ChatSettings,
    publishes=(chat.ChatSessionStarted, chat.ChatSessionClaimed, chat.ChatSessionEnded, chat.ChatMessageCompleted,
               chat.ChatFeedbackGiven, chat.ChatHandoffRequested, chat.ChatHandoffAccepted, chat.ChatHandoffReleased,
               common.UsageRecorded, common.UsageThresholdReached),
    subscribes=(
        on(community.FaqItemPublished, handlers.publish_item, consumer="faq"),
        on(community.FaqItemUnpublished, handlers.withdraw_item, consumer="faq"),
        on(billing.EntitlementChanged, handlers.keep_entitlement, consumer="entitlements"),
        on(accounts.UserRegistered, handlers.welcome_user, consumer="registrations"),
        on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
        on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
        on(accounts.SessionRevoked, handlers.end_streams, consumer="sessions"),
    ),
    every=(Every(2, tasks.end_abandoned_answers), Every(60, tasks.prune),
           Every(300, tasks.give_back_silent_handovers)),
    parts=open_parts,
    body_limits={"/v1/chat/": 128 * 1024},
)  # fmt: skip
