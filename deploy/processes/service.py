"""One service in one process: what `up --services` and the containers start.

`python -m deploy.processes.service billing --roles web,worker --port 9001`. A process without the web role still
serves its health and metrics.
"""

import argparse
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

import uvicorn
import uvloop
from fastapi import FastAPI

from deploy import collector
from deploy.composition import clock_of, database_of, http_client, runtime_of
from shared import migrations
from shared.contracts.consumers import committed_routes
from shared.events.amqp import AmqpTransport
from shared.logging import configure_logging
from shared.service import Service, create_app

STOP_TIMEOUT_SECONDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("service")
    parser.add_argument("--roles", default="web,worker")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--migrate", action="store_true", help="Bring the database to its newest schema first.")
    chosen = parser.parse_args()
    configure_logging(level=os.environ.get("ATELIER_LOG_LEVEL", "INFO"))
    collector.pause()
    service: Service = import_module(f"services.{chosen.service}.app").service
    if chosen.migrate:
        migrations.upgrade(service, service.settings().database_url)
    uvloop.run(_serve(service, frozenset(chosen.roles.split(",")), chosen.host, chosen.port))


async def _serve(service: Service, roles: frozenset[str], host: str, port: int) -> None:
    async with _app_of(service, roles) as app:
        configuration = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_TIMEOUT_SECONDS,
        )
        await uvicorn.Server(configuration).serve()


@asynccontextmanager
async def _app_of(service: Service, roles: frozenset[str]) -> AsyncIterator[FastAPI]:
    async with http_client() as http:
        settings = service.settings()
        clock = clock_of(settings)
        transport = AmqpTransport(settings.amqp_url, committed_routes())
        runtime = runtime_of(
            service,
            settings,
            database=database_of(service, settings, clock),
            transport=transport,
            http=http,
            clock=clock,
            roles=roles,
        )
        app = create_app(service, runtime)
        collector.resume()
        yield app


if __name__ == "__main__":
    main()
