"""One suite, two gateways: the embedded router and a real Caddy, both on real sockets before the same probes."""

import asyncio
import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deploy.embedded.processes import free_port
from deploy.gateway.caddy import find_caddy
from deploy.gateway.generate import caddyfile
from deploy.local.gateway import Gateway
from shared.settings import Settings
from tests.gateway.probes import SERVICES, Accounts, Probe
from tests.support.loopback import listening_socket, served

ORIGIN = "https://studio.example"


@dataclass
class Stand:
    """A gateway with everything behind it."""

    kind: str
    url: str
    accounts: Accounts
    probes: dict[str, Probe]
    stack: AsyncExitStack
    accounts_stack: AsyncExitStack

    def client(self, **options) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=20, **options)

    async def stop_accounts(self) -> None:
        """Accounts goes away: its function fails, its server stops listening."""
        self.accounts.down = True
        await self.accounts_stack.aclose()

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


@asynccontextmanager
async def standing(kind: str, folder):
    accounts = Accounts()
    probes = {service.name: Probe(service.name, accounts) for service in SERVICES}
    front = Starlette(routes=[Route("/", lambda _: PlainTextResponse("front")), Route("/dev/mail", _dev)])
    async with AsyncExitStack() as stack:
        accounts_stack = AsyncExitStack()
        stack.push_async_callback(accounts_stack.aclose)
        if kind == "embedded":
            url = await _embedded(stack, accounts, probes, front)
        else:
            url = await _caddy(stack, accounts_stack, probes, front, folder)
        yield Stand(kind, url, accounts, probes, stack, accounts_stack)


async def _dev(_request):
    return PlainTextResponse("mail")


async def _embedded(stack, accounts, probes, front) -> str:
    bound = listening_socket()
    gateway = Gateway(
        services={service.name: service for service in SERVICES},
        apps={name: probe.app for name, probe in probes.items()},
        front=front,
        twin=None,
        verify=accounts.verify,
        settings=Settings(public_url=f"http://127.0.0.1:{bound.getsockname()[1]}"),
        origins=(ORIGIN,),
    )
    return await stack.enter_async_context(served(gateway, bound, forwarded_allow_ips=""))


async def _caddy(stack, accounts_stack, probes, front, folder) -> str:
    places = {}
    for name, probe in probes.items():
        owner = accounts_stack if name == "accounts" else stack
        places[name] = await owner.enter_async_context(served(probe.app, listening_socket()))
    places["front"] = await stack.enter_async_context(served(front, listening_socket()))
    port = free_port()
    (folder / "Caddyfile").write_text(caddyfile(SERVICES))
    environment = {f"{name.upper()}_UPSTREAM": url.removeprefix("http://") for name, url in places.items()}
    log = stack.enter_context((folder / "caddy.log").open("wb"))
    process = await asyncio.create_subprocess_exec(
        find_caddy(), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile",
        env={
            "PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder), **environment,
            "GATEWAY_LISTEN": f"http://:{port}", "CORS_ORIGINS_PATTERN": ORIGIN.replace(".", r"\."),
        },
        stderr=log,
    )  # fmt: skip
    stack.push_async_callback(_end, process)
    await _listening(port)
    return f"http://127.0.0.1:{port}"


async def _end(process) -> None:
    process.terminate()
    await process.wait()


async def _listening(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        await asyncio.sleep(0.02)
    raise AssertionError("the gateway does not listen")


@pytest.fixture(scope="session", params=["embedded", "caddy"])
async def stand(request, tmp_path_factory):
    async with standing(request.param, tmp_path_factory.mktemp(request.param)) as ready:
        yield ready


@pytest.fixture(params=["embedded", "caddy"])
async def own_stand(request, tmp_path):
    """A gateway of the test's own, for tests that break something behind it."""
    async with standing(request.param, tmp_path) as ready:
        yield ready
