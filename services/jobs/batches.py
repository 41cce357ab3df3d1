"""Many jobs at once: all of them are accepted, or none."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.jobs import usecases
from services.jobs.errors import ToolUnavailable, ToolUnknown
from services.jobs.models import Batch
from services.jobs.usecases import Desk, Order
from shared.database import WriteSession
from shared.errors import TooLarge, Unprocessable, UnsupportedMedia
from shared.ids import new_id

_LOCK = text("SELECT jobs_lock_lanes_v1(:user_id, CAST(:lanes AS text[]), CAST(:weight AS real), :max_running)")


@contextmanager
def naming_item(number: int) -> Iterator[None]:
    """Let a refusal of one item say which one it was."""
    try:
        yield
    except (Unprocessable, UnsupportedMedia, TooLarge) as problem:
        field = "tool" if isinstance(problem, ToolUnknown | ToolUnavailable) else "input_files"
        errors = problem.errors or [{"field": field, "code": problem.code, "detail": problem.detail}]
        problem.errors = [{**error, "field": f"items.{number}.{error['field']}"} for error in errors]
        raise


async def create_batch(
    session: WriteSession, desk: Desk, user_id: UUID, orders: Sequence[Order], metadata: dict[str, Any], now: datetime
) -> UUID:
    """Accept every order in one transaction; whatever refuses one of them refuses all.

    Raises what `create_job` raises, with the item's place in the fields that it names.
    """
    await _lock_lanes(session, desk, user_id, orders, now)
    number_of = len(orders)
    batch = Batch(id=new_id(), user_id=user_id, total=number_of, pending=number_of, metadata_=metadata, created_at=now)
    session.add(batch)
    await session.flush()
    for number, order in enumerate(orders):
        with naming_item(number):
            await usecases.create_job(session, desk, user_id, replace(order, batch_id=batch.id), now)
    return batch.id


async def _lock_lanes(session: WriteSession, desk: Desk, user_id: UUID, orders: Sequence[Order], now: datetime) -> None:
    lanes = set()
    for number, order in enumerate(orders):
        with naming_item(number):
            catalogue = await usecases.catalogue_for(session, desk, order.tool)
            tool = catalogue.get_tool(order.tool, order.family)
            lanes.add(catalogue.lane_of(tool, catalogue.choose_engine(tool, order.engine)))
    allowance = await usecases.allowance_for(session, user_id, now)
    values = {"weight": allowance.weight, "max_running": allowance.max_running}
    await session.execute(_LOCK, {"user_id": user_id, "lanes": sorted(lanes), **values})
