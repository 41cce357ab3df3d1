"""What the service keeps open for its life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from services.chat.announcements import Announcements
from services.chat.assistant import Assistant
from services.chat.faq import Faq
from services.chat.settings import ChatSettings
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class ChatParts:
    runtime: Runtime
    settings: ChatSettings
    announcements: Announcements
    faq: Faq
    assistant: Assistant


@asynccontextmanager
async def open_parts(runtime: Runtime) -> AsyncIterator[ChatParts]:
    settings = cast(ChatSettings, runtime.settings)
    announcements, faq = Announcements(runtime.database), Faq(runtime.database)
    if "web" in runtime.roles:
        await faq.open()
    assistant = Assistant(runtime.database, settings, runtime.clock, faq, announcements)
    try:
        async with announcements.running(), assistant.running():
            yield ChatParts(runtime, settings, announcements, faq, assistant)
    finally:
        await faq.close()


async def _parts(request: Request) -> ChatParts:
    return cast(ChatParts, request.app.state.runtime.parts)


Parts = Annotated[ChatParts, Depends(_parts)]
