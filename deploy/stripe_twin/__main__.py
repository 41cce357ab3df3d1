"""Run the twin alone: `python -m deploy.stripe_twin` with the TWIN_… variables of the README."""

import asyncio
import os
from pathlib import Path

import httpx
import uvicorn

from deploy.stripe_twin.app import create_twin
from deploy.stripe_twin.settings import TwinSettings
from shared.clock import OffsetClock


async def main() -> None:
    environment = os.environ.get("ATELIER_ENV", "local")
    clock_file = os.environ.get("TWIN_CLOCK_FILE") or Path(os.environ.get("ATELIER_HOME", ".atelier")) / "clock"
    async with httpx.AsyncClient() as http:
        settings = TwinSettings(
            database_url=os.environ["TWIN_DATABASE_URL"],
            public_url=os.environ["TWIN_PUBLIC_URL"],
            webhook_url=os.environ["TWIN_WEBHOOK_URL"],
            webhook_secret=os.environ["TWIN_WEBHOOK_SECRET"],
            webhook_events=tuple(os.environ.get("TWIN_WEBHOOK_EVENTS", "*").replace(",", " ").split()),
            environment="production" if environment == "production" else "local",
            http=http,
        )
        twin = create_twin(settings, OffsetClock(Path(clock_file)))
        host, port = os.environ.get("TWIN_HOST", "127.0.0.1"), int(os.environ["TWIN_PORT"])
        await uvicorn.Server(uvicorn.Config(twin, host=host, port=port, log_level="warning")).serve()


if __name__ == "__main__":
    asyncio.run(main())
