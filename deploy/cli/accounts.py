"""`./atelier admin …`: what only an operator at the machine may do to accounts."""

import asyncio
import sys
from typing import Annotated

import typer

from deploy.cli.databases import runtime_for, service_urls

app = typer.Typer(no_args_is_help=True, help="Administrators of this installation.")


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


@app.command("remove-factors")
def remove_factors(email: Annotated[str, typer.Option(help="The user's address.")]) -> None:
    """Let somebody in by their password again who lost both authenticator app and recovery codes.

    They hear of it by mail. Make sure by other means that it is they who ask.
    """
    with service_urls():
        removed = asyncio.run(_remove_factors(email))
    if removed is None:
        typer.echo(f"Nobody has the address {email}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{removed} second factor{'' if removed == 1 else 's'} of {email} removed.")


async def _remove_factors(email: str) -> int | None:
    from services.accounts import repository, usecases  # noqa: PLC0415
    from services.accounts.addresses import normalised  # noqa: PLC0415

    async with runtime_for("accounts") as runtime, runtime.database.write() as session:
        user = await repository.find_user_by_email(session, normalised(email))
        return None if user is None else await usecases.remove_all_factors(session, user.id)
