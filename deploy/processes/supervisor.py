"""`./atelier up --services`: Postgres, RabbitMQ, a process per service and role, the twin, the front door and Caddy."""

import os
import signal
import sys
import time
from types import FrameType

import httpx
from rich.console import Console

from deploy.embedded.processes import free_port
from deploy.engines.behind import installing_behind
from deploy.gateway.caddy import caddy_command
from deploy.home import Home
from deploy.local.platform import TWIN_DATABASE, prepare
from deploy.local.server import postgres_of
from deploy.processes.broker import start_broker
from deploy.processes.children import Child, stop_all
from deploy.services import SERVICES
from services.billing.usecases.webhooks import HANDLED

START_SECONDS = 90
WATCH_SECONDS = 0.2


class Stopped(Exception):
    """Somebody asked us to stop."""


def serve(home: Home, console: Console) -> None:
    """Run everything until Ctrl-C or SIGTERM. Children that fall over are started again."""
    started = time.monotonic()

    def progress(step: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/dim]  {step}")

    signal.signal(signal.SIGTERM, _stop)
    progress("Starting Postgres")
    with postgres_of(home) as server_url:
        prepare(home, server_url, progress)
        progress("Starting RabbitMQ")
        broker = start_broker(home)
        children = processes_of(home, broker.url)
        try:
            progress(f"Starting {len(children)} processes")
            for child in children:
                child.start()
            _wait_until_ready(home, children)
            seconds = time.monotonic() - started
            console.print(f"[bold green]Atelier is up[/bold green] in {seconds:.1f} s: [bold]{home.public_url}[/bold]")
            console.print(f"[dim]Logs are in {home.folder / 'logs'}. Ctrl-C stops everything.[/dim]")
            with installing_behind():
                _watch(children, console)
        except (KeyboardInterrupt, Stopped):
            console.print("Stopping")
        finally:
            stop_all(children)
            broker.stop()
    console.print("Stopped. Everything is kept.")


def processes_of(home: Home, amqp_url: str) -> list[Child]:
    """Every process of the platform, with the addresses they know each other by."""
    ports = {name: free_port() for name in ("front", "twin", *(service.name for service in SERVICES))}
    addresses = {f"{name.upper()}_UPSTREAM": f"127.0.0.1:{port}" for name, port in ports.items()}
    environment = {
        **os.environ,
        **addresses,
        "AMQP_URL": amqp_url,
        "GATEWAY_LISTEN": f"http://:{home.port}",
        "PYTHONUNBUFFERED": "1",
    }

    def child(name: str, *command: str, **extra: str) -> Child:
        return Child(name, list(command), {**environment, **extra}, home.folder / "logs" / f"{name}.log")

    def module(name: str, port: int, **extra: str) -> Child:
        return child(name, sys.executable, "-m", f"deploy.{name}", "--port", str(port), **extra)

    def service(name: str, roles: str, port: int) -> Child:
        command = (sys.executable, "-m", "deploy.processes.service", name, "--roles", roles, "--port", str(port))
        return child(f"{name}-{roles}", *command)

    found = [service(each.name, "web", ports[each.name]) for each in SERVICES]
    found += [service(each.name, "worker", free_port()) for each in SERVICES]
    found.append(service("jobs", "runner", free_port()))
    found.append(module("front", ports["front"]))
    if "STRIPE_API_BASE" in os.environ:
        found.append(module("stripe_twin", ports["twin"], **_twin_variables(home, ports["twin"])))
    found.append(child("caddy", *caddy_command(), XDG_DATA_HOME=str(home.folder), XDG_CONFIG_HOME=str(home.folder)))
    return found


def _twin_variables(home: Home, port: int) -> dict[str, str]:
    return {
        "TWIN_DATABASE_URL": os.environ[f"{TWIN_DATABASE.upper()}_DATABASE_URL"],
        "TWIN_PUBLIC_URL": os.environ["STRIPE_API_BASE"],
        "TWIN_WEBHOOK_URL": f"{home.public_url}/v1/webhooks/stripe",
        "TWIN_WEBHOOK_EVENTS": ",".join(HANDLED),
        "TWIN_WEBHOOK_SECRET": os.environ["STRIPE_WEBHOOK_SECRET"],
        "TWIN_PORT": str(port),
    }


def _wait_until_ready(home: Home, children: list[Child]) -> None:
    """Until the gateway answers for every service. A child that ends before that is an error worth showing."""
    deadline = time.monotonic() + START_SECONDS
    waiting = {service.name: _probe_of(service.paths) for service in SERVICES}
    while waiting and time.monotonic() < deadline:
        for name, path in list(waiting.items()):
            if _answers(f"{home.public_url}{path}"):
                del waiting[name]
        dead = [child for child in children if child.process is not None and child.process.poll() is not None]
        if dead:
            raise RuntimeError(f"{dead[0].name} ended at once; its log is {dead[0].log}.")
        time.sleep(WATCH_SECONDS)
    if waiting:
        raise RuntimeError(f"Not ready after {START_SECONDS} s: {', '.join(waiting)}; the logs tell why.")


def _probe_of(paths: tuple[str, ...]) -> str:
    """A path that only this service answers; the answer's status does not matter, only that it is the service's."""
    return paths[0].rstrip("*").rstrip("/") + "/-"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code < httpx.codes.BAD_GATEWAY
    except httpx.HTTPError:
        return False


def _watch(children: list[Child], console: Console) -> None:
    while True:
        for child in children:
            if child.watch():
                console.print(f"[yellow]{child.name} ended[/yellow] and is started again; its log is {child.log}.")
        time.sleep(WATCH_SECONDS)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
