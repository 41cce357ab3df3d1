"""Events in: users who come, change and are barred, posts to tell others of, and money that moves."""

from services.community import erasure, profiles, standing
from services.community.affiliates.terms import Terms, terms_of
from services.community.affiliates.usecases import accruals, attribution, membership
from services.community.affiliates.usecases.accruals import Cause
from services.community.erasure import ForumContent
from services.community.forum.usecases import notifying
from services.community.models import StreamEnd
from services.community.settings import CommunitySettings
from shared.contracts.accounts import (
    SessionRevoked,
    UserDeleted,
    UserDeletionRequested,
    UserDisabled,
    UserEnabled,
    UserRegistered,
    UserRolesChanged,
    UserUpdated,
)
from shared.contracts.billing import (
    EntitlementChanged,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentPaid,
    PaymentRefunded,
    PaymentRefundReverted,
)
from shared.contracts.common import UserErased
from shared.contracts.community import ForumAnswerAccepted, ForumCommentCreated, ForumTopicCreated, ForumTopicRemoved
from shared.database import WriteSession
from shared.events.event import Event, EventContext
from shared.events.outbox import publish

FREE = "free"


async def note_registration(session: WriteSession, event: UserRegistered, context: EventContext) -> None:
    """The profile first: its fingerprint shows whether a referral is one's own. Who is known can't be brought."""
    if await standing.is_erased(session, event.user_id):
        return
    if await profiles.note_registration(session, event, context.sequence):
        await attribution.attribute_user(session, event, _cause(event, context), _terms(context))


async def note_update(session: WriteSession, event: UserUpdated, context: EventContext) -> None:
    if not await standing.is_erased(session, event.user_id):
        await profiles.note_update(session, event, context.sequence)


async def lock_out(session: WriteSession, event: UserDisabled, context: EventContext) -> None:
    """Their words stay, as others answered them; they write nothing new, hear nothing and earn nothing."""
    await standing.set_disabled(session, event.user_id, context.occurred_at)
    await membership.suspend_with_account(session, event.user_id, context.occurred_at)
    session.add(StreamEnd(user_id=event.user_id))


async def let_in(session: WriteSession, event: UserEnabled, context: EventContext) -> None:
    await standing.set_disabled(session, event.user_id, None)
    await membership.reinstate_with_account(session, event.user_id, context.occurred_at)


async def erase_user(session: WriteSession, event: UserDeletionRequested | UserDeleted, context: EventContext) -> None:
    """The last word about a user asks once more, should the first have been lost here; their posts then stay."""
    wish: ForumContent = "blank" if getattr(event, "forum_content", "keep") == "blank" else "keep"
    if await erasure.erase_user(session, event.user_id, wish, context.runtime.clock.now()):
        session.add(StreamEnd(user_id=event.user_id))
        erased = UserErased(request_id=event.request_id, service="community", counts={"users": 1})
        await publish(session, erased, sequence=1)


async def note_roles(session: WriteSession, event: UserRolesChanged, context: EventContext) -> None:
    """Readers see who of the staff wrote something."""
    await standing.note_roles(session, event.user_id, event.roles, context.sequence)


async def note_plan(session: WriteSession, event: EntitlementChanged, _context: EventContext) -> None:
    """Who pays may post more."""
    await standing.note_plan(session, event.user_id, event.version, is_paying=event.plan_id != FREE)


async def end_streams(session: WriteSession, event: SessionRevoked, _context: EventContext) -> None:
    """Order the end of open streams; each of them finds the order at its next look."""
    ended = [None] if event.all else list(event.session_ids)
    session.add_all(StreamEnd(user_id=event.user_id, session_id=session_id) for session_id in ended)


async def tell_of_removal(session: WriteSession, event: ForumTopicRemoved, context: EventContext) -> None:
    await notifying.tell_of_removal(session, event, context.event_id, context.runtime.clock.now())


async def tell_of_topic(session: WriteSession, event: ForumTopicCreated, context: EventContext) -> None:
    await notifying.tell_of_topic(session, event, context.event_id, context.runtime.clock.now())


async def tell_of_comment(session: WriteSession, event: ForumCommentCreated, context: EventContext) -> None:
    await notifying.tell_of_comment(session, event, context.event_id, context.runtime.clock.now())


async def tell_of_acceptance(session: WriteSession, event: ForumAnswerAccepted, context: EventContext) -> None:
    await notifying.tell_of_acceptance(session, event, context.event_id, context.runtime.clock.now())


async def record_payment(session: WriteSession, event: PaymentPaid, context: EventContext) -> None:
    await accruals.record_payment(session, event, _cause(event, context), _terms(context))


async def record_refund(
    session: WriteSession, event: PaymentRefunded | PaymentRefundReverted, context: EventContext
) -> None:
    await accruals.record_refund(session, event, context.sequence, _cause(event, context), _terms(context))


async def record_dispute(
    session: WriteSession, event: PaymentDisputed | PaymentDisputeClosed, context: EventContext
) -> None:
    await accruals.record_dispute(session, event, context.sequence, _cause(event, context), _terms(context))


def _cause(event: Event, context: EventContext) -> Cause:
    return Cause(context.event_id, event.event_type, context.runtime.clock.now())


def _terms(context: EventContext) -> Terms:
    settings: CommunitySettings = context.runtime.settings  # type: ignore[assignment]
    return terms_of(settings)
