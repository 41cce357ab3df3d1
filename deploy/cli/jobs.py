"""`./atelier jobs …`: what an operator asks and orders of the queue."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from deploy.cli.databases import runtime_for, service_urls

if TYPE_CHECKING:
    from services.jobs.parts import JobsParts
    from shared.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="The job queue.")
console = Console(highlight=False)

LaneName = Annotated[str, typer.Argument(metavar="LANE", help="interactive, render or remote.")]


@app.command()
def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once, for scripts.")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 2.0,
) -> None:
    """Lanes, the busiest users, and workers, as they are now."""
    _with_runtime(lambda runtime: _show(runtime, once=once, every=every))


@app.command()
def retry(job_id: UUID) -> None:
    """Order a failed or cancelled job again, on its owner's quota."""
    _with_runtime(lambda runtime: _retry(runtime, job_id))


@app.command()
def pause(lane: LaneName) -> None:
    """Claim nothing more of a lane; what runs goes on."""
    _with_runtime(lambda runtime: _set_pause(runtime, lane, paused=True))


@app.command()
def resume(lane: LaneName) -> None:
    """Claim from a lane again."""
    _with_runtime(lambda runtime: _set_pause(runtime, lane, paused=False))


@app.command()
def drain(
    worker: Annotated[str | None, typer.Argument(help="A worker's id, as `top` shows it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All workers.")] = False,
) -> None:
    """Let workers finish what they have and claim nothing more."""
    if (worker is None) == (not every):
        raise typer.BadParameter("name one worker, or say --all")
    _with_runtime(lambda runtime: _drain(runtime, worker))


@app.command()
def reconcile() -> None:
    """Compare the queue's counters with its rows. Anything but zero is a bug worth reporting; exit code 1 then."""
    _with_runtime(_reconcile)


def _with_runtime(act: "Callable[[Runtime], Coroutine[Any, Any, None]]") -> None:
    async def run() -> None:
        async with runtime_for("jobs") as runtime:
            await act(runtime)

    with service_urls():
        asyncio.run(run())


async def _reconcile(runtime: "Runtime") -> None:
    from services.jobs.operator import reconcile as differences  # noqa: PLC0415

    drift = await differences(runtime)
    for finding in drift:
        console.print(str(finding))
    console.print(f"{len(drift)} differences")
    raise typer.Exit(1 if drift else 0)


async def _set_pause(runtime: "Runtime", lane: str, *, paused: bool) -> None:
    from services.jobs import operator  # noqa: PLC0415

    known = await (operator.pause_lane(runtime, lane, by=None) if paused else operator.resume_lane(runtime, lane))
    if not known:
        _fail(f"There is no lane {lane}.")
    console.print(f"{lane}: {'paused' if paused else 'running'}")


async def _drain(runtime: "Runtime", worker: str | None) -> None:
    from services.jobs import operator  # noqa: PLC0415

    workers = [worker] if worker else [row["id"] for row in await operator.list_workers(runtime)]
    for one in workers:
        if not await operator.drain_worker(runtime, one):
            _fail(f"There is no worker {one}.")
        console.print(f"{one}: draining")


async def _retry(runtime: "Runtime", job_id: UUID) -> None:
    from services.jobs import repository, usecases  # noqa: PLC0415
    from shared.errors import Problem  # noqa: PLC0415

    try:
        async with _parts(runtime) as parts, runtime.database.write() as session:
            found = await repository.list_jobs_by_id(session, [job_id])
            if not found:
                _fail("There is no such job.")
            new = await usecases.retry_job(session, parts.desk, found[0].user_id, job_id, runtime.clock.now())
    except Problem as refused:
        _fail(refused.detail)
    console.print(str(new))


@asynccontextmanager
async def _parts(runtime: "Runtime") -> "AsyncIterator[JobsParts]":
    from services.jobs.parts import open_parts  # noqa: PLC0415

    async with open_parts(runtime) as parts:
        yield parts


def _fail(reason: str) -> None:
    console.print(reason, style="red")
    raise typer.Exit(1)


async def _show(runtime: "Runtime", *, once: bool, every: float) -> None:
    if once:
        # A script reads whole ids, however narrow its terminal is.
        console.print(await _picture(runtime), width=max(console.width, 160), crop=False)
        return
    with Live(await _picture(runtime), console=console, screen=True, auto_refresh=False) as live:
        while True:
            began = time.monotonic()
            live.update(await _picture(runtime), refresh=True)
            await asyncio.sleep(max(0.0, every - (time.monotonic() - began)))


async def _picture(runtime: "Runtime") -> Group:
    from services.jobs import operator  # noqa: PLC0415

    webhooks = await operator.tell_webhooks(runtime)
    return Group(
        _lanes(await operator.list_lanes(runtime)),
        _tenants(await operator.list_tenants(runtime)),
        _workers(await operator.list_workers(runtime)),
        f"webhooks waiting: {webhooks['pending']}",
    )


def _lanes(rows: list[dict[str, Any]]) -> Table:
    table = _table("lane", "ready", "running", "slots", "waiting", "tenants", "oldest ready", "")
    for lane in rows:
        counts = [str(lane[name]) for name in ("ready", "running", "slots", "waiting", "tenants")]
        oldest, state = _seconds(lane["oldest_ready_seconds"]), "paused" if lane["paused_at"] else ""
        table.add_row(lane["lane"], *counts, oldest, state)
    return table


def _tenants(rows: list[dict[str, Any]]) -> Table:
    table = _table("tenant", "lane", "running", "allowed", "ready", "weight")
    for tenant in rows:
        counts = [str(tenant[name]) for name in ("running", "max_running", "ready")]
        table.add_row(str(tenant["user_id"]), tenant["lane"], *counts, f"{tenant['weight']:g}")
    return table


def _workers(rows: list[dict[str, Any]]) -> Table:
    table = _table("worker", "running", "slots", "seen", "")
    for worker in rows:
        slots = " ".join(f"{lane} {number}" for lane, number in worker["slots"].items())
        seen = _seconds((datetime.now(UTC) - worker["seen_at"]).total_seconds())
        table.add_row(worker["id"], str(worker["running"]), slots, seen, "draining" if worker["draining_at"] else "")
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=True, justify="left" if number == 0 or not column else "right")
    return table


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.0f} s"
