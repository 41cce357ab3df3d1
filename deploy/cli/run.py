"""Verbs that run the platform: up, demo, migrate."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy import collector
from deploy.home import AlreadyRunning, Home, home_from_environment

console = Console(highlight=False)

START_TIMEOUT_SECONDS = 120


def register(app: typer.Typer) -> None:
    app.command()(up)
    app.command()(demo)
    app.command()(migrate)


def up(
    services: Annotated[
        bool, typer.Option("--services", help="Separate processes behind Caddy with RabbitMQ.")
    ] = False,
) -> None:
    """Set everything up and serve the platform. Safe to repeat; Ctrl-C stops it, and nothing is lost."""
    home = home_from_environment()
    try:
        with home.alone():
            if services:
                from deploy.processes.supervisor import serve  # noqa: PLC0415
            else:
                collector.pause()
                from deploy.local.server import serve  # noqa: PLC0415
            serve(home, console)
    except AlreadyRunning:
        console.print(f"Atelier is already up: [bold]{home.public_url}[/bold]")


def demo(
    photo: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="A picture for the meme.")] = None,
    prompt: Annotated[
        str, typer.Option(help="What the poster is about.")
    ] = "Night market in Lisbon, summer jazz festival",
    operator: Annotated[
        str | None, typer.Option(help="How this platform's own command is run, where it is not this checkout's.")
    ] = None,
) -> None:
    """Play a creator's whole journey against the platform, starting it when it is not up.

    In containers: --operator "docker compose run --rm -T operator".
    """
    from deploy.cli.api import StepFailed  # noqa: PLC0415
    from deploy.cli.demo import Demo  # noqa: PLC0415

    home = home_from_environment()
    out = home.folder / "demo" / time.strftime("%Y%m%d-%H%M%S")
    with platform_up(home):
        console.print(f"\n[bold]A creator's journey[/bold] at {home.public_url}\n")
        try:
            Demo(home.public_url, console, out, partial(make_admin, operator)).tell(photo, prompt)
        except StepFailed as failure:
            console.print(f" [red]✗ {failure}[/red]")
            raise typer.Exit(1) from failure


def migrate(
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL of every service instead of running it.")] = False,
) -> None:
    """Bring every service's database to its newest schema (or print the SQL that would)."""
    from deploy.services import SERVICES  # noqa: PLC0415
    from shared import migrations  # noqa: PLC0415

    if sql:
        for service in SERVICES:
            typer.echo(f"-- {service.name}\n{migrations.sql_of(service)}")
        return
    from deploy.cli.databases import service_urls  # noqa: PLC0415

    with service_urls() as urls:
        for service in SERVICES:
            applied = migrations.upgrade(service, urls[service.name])
            console.print(f"{service.name}: {'migrated' if applied else 'up to date'}")


@contextmanager
def platform_up(home: Home) -> Iterator[None]:
    """The platform for the length of the block: the one that is up, or one of our own that ends with it."""
    if is_up(home):
        yield
        return
    started = time.monotonic()
    log = home.folder / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "deploy.cli", "up"]
    with console.status("Starting the platform"), log.open("wb") as sink:
        server = subprocess.Popen(command, stdout=sink, stderr=sink, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603
        _wait_until_up(home, server, log)
    console.print(f"Started the platform in {time.monotonic() - started:.1f} s ([dim]./atelier up[/dim] keeps it up).")
    try:
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_until_up(home: Home, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not is_up(home):
        if server.poll() is not None or time.monotonic() > deadline:
            console.print(log.read_text()[-3000:])
            console.print(f"[red]The platform did not start; its log is {log}.[/red]")
            raise typer.Exit(1)
        time.sleep(0.1)


def is_up(home: Home) -> bool:
    import httpx  # noqa: PLC0415

    try:
        return httpx.get(f"{home.public_url}/healthz", timeout=2).is_success
    except httpx.HTTPError:
        return False


def make_admin(operator: str | None, email: str, password: str) -> None:
    """Create an admin as an operator would, through the command line."""
    cli = shlex.split(operator) if operator else [sys.executable, "-m", "deploy.cli"]
    command = [*cli, "admin", "create", "--email", email, "--password-stdin"]
    subprocess.run(command, input=password.encode(), check=True, stdout=subprocess.DEVNULL, env=os.environ)  # noqa: S603
