"""Chat: conversations with an assistant that answers from the FAQ and says when it can't."""

from pathlib import Path

from services.chat import tasks
from services.chat.endpoints import router
from services.chat.heard import HEARD
from services.chat.models import Base
from services.chat.parts import open_parts
from services.chat.settings import ChatSettings
from shared.contracts import chat, common
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
               common.UsageRecorded, common.UsageThresholdReached, common.UserErased),
    subscribes=HEARD,
    every=(Every(2, tasks.end_abandoned_answers), Every(60, tasks.prune),
           Every(300, tasks.give_back_silent_handovers)),
    parts=open_parts,
    body_limits={"/v1/chat/": 128 * 1024},
)  # fmt: skip
