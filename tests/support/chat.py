"""Factories for the chat service: conversations, an FAQ, plans, and readers of streams."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import httpx

from services.chat.app import service
from services.community.faq.seed_items import SEED_ITEMS
from shared.contracts.billing import EntitlementChanged
from shared.contracts.community import FaqItemPublished, FaqItemUnpublished
from shared.ids import new_id
from tests.support.loopback import listening_socket, served
from tests.support.postgres import making_template
from tests.support.services import RunningService, running_service

TOKEN_HEADER = "X-Chat-Session"
GENEROUS = {"visitor_messages_per_hour": 1000, "network_messages_per_hour": 1000, "network_sessions_per_hour": 1000}
FEW, EVERYTHING = 3, len(SEED_ITEMS)
CANCEL_QUESTION = "How do I cancel my subscription?"


@asynccontextmanager
async def chat_service(*, items: int = FEW, **settings: Any) -> AsyncIterator[RunningService]:
    """The service with the first `items` of the FAQ that every installation starts with."""
    template = await _template_with(items)
    async with running_service(service, template=template, **{**GENEROUS, **settings}) as running:
        yield running


async def _template_with(items: int) -> str:
    """A database in which these items are known."""
    name = f"template_chat_faq_{items}"
    with making_template(name) as draft:
        if draft:
            template = None if items == EVERYTHING else await _template_with(EVERYTHING)
            async with running_service(service, template=template, database=draft) as running:
                await _know(running, items)
    return name


async def _know(running: RunningService, items: int) -> None:
    """Every text is embedded here, so that the model runs once for all tests."""
    await running.rows("DELETE FROM faq_entries RETURNING 1")
    for seed in SEED_ITEMS[:items]:
        await running.receive(item(seed.question, seed.answer))
    await running.runtime.parts.faq.find(CANCEL_QUESTION, "en")
    await running.rows("DELETE FROM inbox RETURNING 1")


def item_id_of(question: str) -> UUID:
    return uuid5(NAMESPACE_URL, question)


def item(question: str, answer: str, *, version: int = 1, published: bool = True) -> Any:
    fact = FaqItemPublished if published else FaqItemUnpublished
    values = {"question": question, "answer": answer, "locale": "en", "category": "billing", "version": version}
    return fact(item_id=item_id_of(question), **values)


@asynccontextmanager
async def over_http(
    svc: RunningService, user_id: UUID | None = None, **claims: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client over a real socket: in-process transports hand a stream over only when it is complete."""
    headers = svc.client(user_id, **claims).headers
    async with (
        served(svc.app, listening_socket()) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
    ):
        yield client


async def grant_messages(svc: RunningService, user_id: UUID, limit: int, *, version: int = 1, **changes: Any) -> None:
    values = {
        "plan_id": "creator",
        "status": "active",
        "limits": {"chat_messages": limit},
        "max_running": 1,
        "weight": 1,
        "period_anchor": svc.clock.now() - timedelta(days=3),
        **changes,
    }
    await svc.receive(EntitlementChanged(user_id=user_id, version=version, **values), sequence=version)


async def start(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A new conversation; a visitor's client shows its token from now on."""
    response = await client.post("/v1/chat/sessions", json=body)
    assert response.status_code == 201, response.text
    started = response.json()
    client.cookies.clear()
    if started["session_token"]:
        client.headers[TOKEN_HEADER] = started["session_token"]
    return started["session"]


async def say(client: httpx.AsyncClient, chat: dict[str, Any], content: str, **body: Any) -> httpx.Response:
    body.setdefault("client_message_id", str(new_id()))
    return await client.post(f"/v1/chat/sessions/{chat['id']}/messages", json={"content": content, **body})


async def begin_answer(client: httpx.AsyncClient, chat: dict[str, Any], content: str = CANCEL_QUESTION) -> str:
    """The id of an answer that is being written."""
    response = await say(client, chat, content)
    assert response.status_code == 202, response.text
    return response.json()["assistant_message"]["id"]


async def answer_to(client: httpx.AsyncClient, chat: dict[str, Any], content: str) -> dict[str, Any]:
    """The finished answer, read from its stream."""
    return await finished(client, await begin_answer(client, chat, content))


async def finished(client: httpx.AsyncClient, message_id: str) -> dict[str, Any]:
    events = [told async for told in listen(client, f"/v1/chat/messages/{message_id}/stream")]
    return events[-1].data["message"]


@dataclass(frozen=True, slots=True)
class Told:
    id: str | None
    name: str
    data: dict[str, Any]


async def listen(client: httpx.AsyncClient, path: str, **headers: str) -> AsyncIterator[Told]:
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        async for told in events_of(response):
            yield told


async def events_of(response: httpx.Response) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and "event" in fields:
            yield Told(fields.get("id"), fields["event"], json.loads(fields["data"]))
        if line == "":
            fields = {}
        else:
            fields[name] = value
