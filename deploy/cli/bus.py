"""`./atelier bus …`: look at the event backbone and put right what got stuck."""

import asyncio
import getpass
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from deploy.cli.databases import runtime_for, service_urls
from deploy.services import SERVICES, service_named
from shared.contracts.registry import all_events
from shared.events import operator
from shared.events.amqp import AmqpTransport
from shared.events.broker import Topology
from shared.events.inbox import Inbox
from shared.events.local import LocalTransport
from shared.events.operator import ParkedFilter
from shared.events.transport import Transport, routes_of
from shared.runtime import Runtime

app = typer.Typer(no_args_is_help=True, help="The event backbone: outboxes, inboxes, and the broker between them.")
console = Console(highlight=False)

Result = TypeVar("Result")


def _of_a_service(consumer: str) -> str:
    """A consumer that the code no longer has may still own parked events, so only its service must be there."""
    if consumer.partition(".")[0] not in {service.name for service in SERVICES}:
        raise typer.BadParameter(f"{consumer} belongs to no service; `bus lag` lists the consumers.")
    return consumer


Consumer = Annotated[str, typer.Option(help="A consumer, such as community.record_payment.", callback=_of_a_service)]
EventType = Annotated[str | None, typer.Option("--type", help="Only events of this type, such as payment.paid.")]
Subject = Annotated[str | None, typer.Option(help="Only events of this subject, such as payment/018f….")]
EventId = Annotated[str | None, typer.Option("--event", help="Only this event.")]
Really = Annotated[bool, typer.Option("--really", help="Do it; without this the command only tells what it would do.")]
AmqpUrl = Annotated[str, typer.Option(envvar="AMQP_URL", help="The broker.")]


@app.command()
def lag() -> None:
    """Where events wait: unsent in outboxes, unhandled or parked in inboxes, and for how long."""
    table = Table("service", "consumer", "waiting", "parked", "oldest, s", box=None)
    for found in _for_each(_lag_of):
        table.add_row(found.service, "outbox", str(found.unsent), "", f"{found.oldest_unsent_seconds:.0f}")
        for each in found.consumers:
            table.add_row("", each.consumer, str(each.pending), str(each.parked), f"{each.oldest_seconds:.0f}")
    console.print(table)


async def _lag_of(runtime: Runtime) -> operator.Lag:
    consumers = [f"{runtime.service}.{entry.consumer}" for entry in service_named(runtime.service).subscribes]
    return await operator.lag(runtime.database, runtime.service, sorted(set(consumers)))


@app.command()
def parked(event_type: EventType = None, subject: Subject = None) -> None:
    """Events that need a person: what they are, and what went wrong."""
    wanted = ParkedFilter(type=event_type, subject=subject)

    async def of(runtime: Runtime) -> list[operator.ParkedEvent]:
        return await operator.parked(runtime.database, wanted)

    rows = [row for found in _for_each(of) for row in found]
    for row in rows:
        console.print(row)
    console.print(f"{len(rows)} parked")


@app.command()
def redrive(
    consumer: Consumer,
    event_type: EventType = None,
    subject: Subject = None,
    event: EventId = None,
    really: Really = False,
) -> None:
    """Give parked events of a consumer another life, in their old place in the order."""
    wanted = ParkedFilter(consumer=consumer, type=event_type, subject=subject, event_id=event)

    async def of(runtime: Runtime) -> int:
        inbox = Inbox(runtime.database, runtime.service, service_named(runtime.service).subscribes)
        return await operator.redrive(inbox, wanted, by=getpass.getuser(), dry_run=not really)

    _tell("redriven", _for(consumer, of), really=really)


@app.command()
def discard(
    consumer: Consumer,
    reason: Annotated[str, typer.Option(help="Why these events may be given up; it is kept with them.")],
    event_type: EventType = None,
    subject: Subject = None,
    event: EventId = None,
    really: Really = False,
) -> None:
    """Give parked events up: what waits behind them goes on."""
    wanted = ParkedFilter(consumer=consumer, type=event_type, subject=subject, event_id=event)

    async def of(runtime: Runtime) -> int:
        return await operator.discard(runtime.database, wanted, reason=reason, by=getpass.getuser(), dry_run=not really)

    _tell("discarded", _for(consumer, of), really=really)


@app.command()
def replay(
    event_type: Annotated[str, typer.Option("--type", help="Which events, such as payment.paid.")],
    since: Annotated[datetime, typer.Option(help="From when on, UTC.")],
    to: Consumer,
    amqp_url: Annotated[str, typer.Option(envvar="AMQP_URL", help="The broker; without one, copied directly.")] = "",
) -> None:
    """Send published events again, to one consumer only: for a new consumer, or one that lost its data."""
    publisher = next((each for each in SERVICES if all_events().get(event_type) in each.publishes), None)
    if publisher is None:
        raise typer.BadParameter(f"Nobody publishes {event_type}.")

    async def run() -> int:
        async with _transport(amqp_url) as transport, runtime_for(publisher.name) as runtime:
            return await operator.replay(
                runtime.database, transport, event_type, to=to, since=since.replace(tzinfo=UTC)
            )

    with service_urls():
        _tell("replayed", asyncio.run(run()), really=True)


@app.command()
def broker_dead(
    service: Annotated[str, typer.Argument(help="Whose dead queue.")],
    amqp_url: AmqpUrl,
    redrive: Annotated[bool, typer.Option("--redrive", help="Send them to the service again.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Throw them away.")] = False,
) -> None:
    """Messages the broker buried since they were no events of ours. Lists them unless told otherwise."""
    topology = Topology(amqp_url, routes_of(SERVICES))
    if redrive or drop:
        count = asyncio.run(topology.redrive_dead(service) if redrive else topology.drop_dead(service))
        console.print(f"{count} {'sent again' if redrive else 'dropped'}")
        return
    for letter in asyncio.run(topology.list_dead(service)):
        console.print(letter)


@app.command()
def topology(
    amqp_url: AmqpUrl,
    prune: Annotated[bool, typer.Option("--prune", help="Remove bindings nobody subscribes to any more.")] = False,
) -> None:
    """Declare exchanges, queues and bindings, and show who listens to what."""
    broker = Topology(amqp_url, routes_of(SERVICES))
    if prune:
        asyncio.run(broker.prune(all_events()))
    for service, types in asyncio.run(broker.declare()).items():
        console.print(f"[bold]{service}.in[/bold]  {', '.join(types)}")


def _for_each(ask: Callable[[Runtime], Awaitable[Result]]) -> Iterable[Result]:
    """What `ask` finds in each service's database."""
    with service_urls():
        return [asyncio.run(_with_runtime(service.name, ask)) for service in SERVICES]


def _for(consumer: str, ask: Callable[[Runtime], Awaitable[Result]]) -> Result:
    with service_urls():
        return asyncio.run(_with_runtime(consumer.split(".", maxsplit=1)[0], ask))


async def _with_runtime(name: str, ask: Callable[[Runtime], Awaitable[Result]]) -> Result:
    async with runtime_for(name) as runtime:
        return await ask(runtime)


@asynccontextmanager
async def _transport(amqp_url: str) -> AsyncIterator[Transport]:
    """The broker where there is one, else a direct copy into the inboxes."""
    if amqp_url:
        yield AmqpTransport(amqp_url, routes_of(SERVICES))
        return
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(runtime_for(service.name)) for service in SERVICES]
        yield LocalTransport({each.service: each.database for each in opened}, SERVICES)


def _tell(done: str, count: int, *, really: bool) -> None:
    console.print(f"{count} {done}" if really else f"{count} would be {done}; add --really to do it")
