"""`./atelier admin …`: what only an operator at the machine may do to accounts."""

import asyncio
import sys
from typing import Annotated

import typer

from deploy.cli.databases import runtime_for, service_urls

app = typer.Typer(no_args_is_help=True, help="Administrators of this installation.")


@app.callback()
def _group() -> None:
    """Keeps `admin create` a sub-command while there is only one."""


@app.command()
def create(
    email: Annotated[str, typer.Option(help="The administrator's address; an existing user is promoted.")],
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Create an administrator, or make an existing user one. Asks for the password unless --password-stdin is given."""
    password = sys.stdin.readline().rstrip("\n") if password_stdin else typer.prompt("Password", hide_input=True)
    with service_urls():
        asyncio.run(_create(email, password))
    typer.echo(f"{email} is an administrator.")


async def _create(email: str, password: str) -> None:
    from services.accounts import usecases  # noqa: PLC0415

    async with runtime_for("accounts") as runtime, runtime.database.write() as session:
        await usecases.create_admin(session, email, password, now=runtime.clock.now())
