"""`./atelier billing …`: what an operator asks of the books."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from deploy.cli.databases import runtime_for, service_urls

if TYPE_CHECKING:
    from services.billing.usecases.reconcile import Drift
    from shared.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="Money: our books and Stripe's.")
console = Console(highlight=False)


@app.callback()
def _group() -> None:
    """Keeps `billing reconcile` a sub-command while there is only one."""


@app.command()
def reconcile(heal: Annotated[bool, typer.Option("--heal", help="Put our books right.")] = False) -> None:
    """Compare every customer with Stripe. By default nothing is changed; exit code 1 when differences remain."""
    with service_urls():
        compared, drifts = asyncio.run(_reconcile(heal=heal))
    for drift in drifts:
        state = "healed" if drift.healed else "differs"
        console.print(
            f"{state}: {drift.kind} {drift.object_id}: ours {drift.ours or '-'}, Stripe {drift.stripe or '-'}"
        )
    console.print(f"{compared} customers, {len(drifts)} differences")
    raise typer.Exit(1 if any(not drift.healed for drift in drifts) else 0)


async def _reconcile(*, heal: bool) -> tuple[int, "list[Drift]"]:
    from services.billing.errors import PaymentProviderUnavailable  # noqa: PLC0415

    try:
        async with _billing() as runtime:
            return await _compare(runtime, heal=heal)
    except PaymentProviderUnavailable:
        console.print("[red]Stripe does not answer. Is the platform up, or STRIPE_SECRET_KEY set?[/red]")
        raise typer.Exit(2) from None


@asynccontextmanager
async def _billing() -> "AsyncIterator[Runtime]":
    from services.billing.app import service  # noqa: PLC0415

    async with runtime_for("billing") as runtime:
        assert service.parts is not None
        async with service.parts(runtime) as runtime.parts:
            yield runtime


async def _compare(runtime: "Runtime", *, heal: bool) -> tuple[int, "list[Drift]"]:
    from services.billing.repository import list_stripe_customers  # noqa: PLC0415
    from services.billing.usecases.reconcile import reconcile_all  # noqa: PLC0415

    parts = runtime.parts
    async with runtime.database.read() as session:
        customers = await list_stripe_customers(session)
    with Progress(console=console) as progress:
        task = progress.add_task("Comparing", total=len(customers))
        found = await reconcile_all(
            parts.worker_database,
            parts.gateway,
            customers,
            heal=heal,
            grace=parts.grace,
            advance=lambda: progress.advance(task),
        )
    return len(customers), found
