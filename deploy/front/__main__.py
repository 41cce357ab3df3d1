"""The front door in a process of its own: `python -m deploy.front --port 9000`; services by their *_UPSTREAM."""

import argparse
import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import uvicorn
import uvloop

from deploy.front.app import FrontSettings, create_front
from shared.logging import configure_logging

NAMES = ("accounts", "billing", "chat", "jobs", "community")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    chosen = parser.parse_args()
    configure_logging(level=os.environ.get("ATELIER_LOG_LEVEL", "WARNING"))
    uvloop.run(_serve(chosen.host, chosen.port))


async def _serve(host: str, port: int) -> None:
    async with httpx.AsyncClient(timeout=3) as http:
        settings = FrontSettings(
            local=os.environ.get("ATELIER_ENV", "local") != "production",
            mail_folder=Path(os.environ.get("ATELIER_HOME", ".atelier")) / "mail",
            documents=_documents(http),
            health=_health(http),
        )
        configuration = uvicorn.Config(
            create_front(settings), host=host, port=port, log_config=None, access_log=False, server_header=False
        )
        await uvicorn.Server(configuration).serve()


def _upstream(name: str) -> str:
    return f"http://{os.environ.get(f'{name.upper()}_UPSTREAM', f'{name}:8000')}"


def _documents(http: httpx.AsyncClient) -> Callable[[], Awaitable[dict[str, dict[str, Any]]]]:
    async def ask(name: str) -> tuple[str, dict[str, Any]]:
        answer = await http.get(f"{_upstream(name)}/internal/openapi.json")
        answer.raise_for_status()
        return name, answer.json()

    async def documents() -> dict[str, dict[str, Any]]:
        """Those that answer: a page about four services is better than none."""
        asked = await asyncio.gather(*(ask(name) for name in NAMES), return_exceptions=True)
        return dict(entry for entry in asked if not isinstance(entry, BaseException))

    return documents


def _health(http: httpx.AsyncClient) -> Callable[[], Awaitable[dict[str, bool]]]:
    async def ask(name: str) -> tuple[str, bool]:
        try:
            return name, (await http.get(f"{_upstream(name)}/readyz")).is_success
        except httpx.HTTPError:
            return name, False

    async def health() -> dict[str, bool]:
        return dict(await asyncio.gather(*(ask(name) for name in NAMES)))

    return health


if __name__ == "__main__":
    main()
