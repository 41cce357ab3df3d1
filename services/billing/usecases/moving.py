"""Moving a row along its state machine: an allowed move is for the caller to apply, any other is written down."""

from datetime import datetime
from uuid import UUID

from services.billing.models import IgnoredTransition
from services.billing.transitions import MOVES
from shared.database import WriteSession
from shared.ids import new_id
from shared.logging import get_logger

log = get_logger(__name__)


def may_move(
    session: WriteSession, kind: str, object_id: UUID, before: str, after: str, *, reason: str, now: datetime
) -> bool:
    """Whether the table of `kind` allows the move. Staying is no move; a move it does not have is recorded."""
    if before == after:
        return False
    if (before, after) in MOVES[kind]:
        return True
    log.warning("transition_ignored", kind=kind, object=str(object_id), now=before, wanted=after, reason=reason)
    session.add(
        IgnoredTransition(id=new_id(), object_id=object_id, from_status=before, to_status=after, reason=reason, at=now)
    )
    return False
