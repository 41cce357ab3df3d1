"""Links of affiliates: each visit is recorded, and the visitor's browser remembers who sent it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.community.affiliates import repository
from services.community.affiliates.codes import normalise
from services.community.affiliates.models import APPROVED, Click
from services.community.affiliates.terms import Terms
from services.community.errors import LinkNotFound
from shared.database import WriteSession
from shared.ids import new_id


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit through a link; `earlier_click` is what the browser's cookie says, and may be forged."""

    code: str
    visitor: bytes
    earlier_click: UUID | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """`remember` is false when an earlier affiliate's click keeps its claim."""

    code: str
    click_id: UUID
    remember: bool


async def follow_link(
    session: WriteSession, visit: Visit, *, first_touch: bool, terms: Terms, now: datetime
) -> Followed:
    """Record the click. Raises LinkNotFound for a code that is unknown or whose affiliate may not earn."""
    affiliate = await repository.find_affiliate_by_code(session, normalise(visit.code))
    if affiliate is None or affiliate.status != APPROVED:
        raise LinkNotFound
    earlier = await repository.find_click(session, visit.earlier_click) if visit.earlier_click and first_touch else None
    click = Click(id=new_id(), affiliate_id=affiliate.id, visitor=visit.visitor, clicked_at=now)
    session.add(click)
    keeps = earlier is not None and terms.counts(earlier.clicked_at, now)
    return Followed(affiliate.affiliate_code, click.id, remember=not keeps)
