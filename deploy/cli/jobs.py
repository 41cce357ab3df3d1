"""`./atelier jobs …`: what an operator asks of the queue."""

import asyncio

import typer
from rich.console import Console

from deploy.cli.databases import runtime_for, service_urls

app = typer.Typer(no_args_is_help=True, help="The job queue.")
console = Console(highlight=False)


@app.callback()
def _group() -> None:
    """Keeps `jobs reconcile` a sub-command while there is only one."""


@app.command()
def reconcile() -> None:
    """Compare the queue's counters with its rows. Anything but zero is a bug worth reporting; exit code 1 then."""
    with service_urls():
        drift = asyncio.run(_reconcile())
    for finding in drift:
        console.print(finding)
    console.print(f"{len(drift)} differences")
    raise typer.Exit(1 if drift else 0)


async def _reconcile() -> list[str]:
    from services.jobs.operator import reconcile as differences  # noqa: PLC0415

    async with runtime_for("jobs") as runtime:
        return [str(finding) for finding in await differences(runtime)]
