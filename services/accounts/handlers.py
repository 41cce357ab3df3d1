"""Events into accounts."""

from services.accounts import repository, usecases
from services.accounts.errors import UserNotFound
from services.accounts.mail_templates import TEMPLATES
from services.accounts.settings import AccountsSettings
from services.accounts.usecases import deletion
from services.accounts.usecases.usage import COLUMNS
from shared.contracts.billing import EntitlementChanged, SubscriptionFact, UserStripeCustomerBound
from shared.contracts.common import MailRequested, UsageRecorded, UserErased
from shared.database import WriteSession
from shared.events.event import EventContext
from shared.events.outcomes import Reject, Skip


async def send_mail(session: WriteSession, wish: MailRequested, context: EventContext) -> None:
    """The token is committed before the mail leaves, and the mail is marked as sent after; the event's own
    transaction holds no lock while the mail server takes its time."""
    runtime, now = context.runtime, context.runtime.clock.now()
    if wish.template not in TEMPLATES:
        raise Reject(f"there is no mail called {wish.template}")
    if wish.expires_at is not None and wish.expires_at <= now:
        raise Skip("too late to be of use")
    recipient = await usecases.find_recipient(runtime.database, wish.user_id)
    if recipient is None:
        raise Skip("no such user")
    if wish.template == "verify" and recipient.is_verified:
        raise Skip("the address is confirmed")
    assert isinstance(runtime.settings, AccountsSettings)
    mail = await usecases.begin_mail(runtime.database, wish, recipient, runtime.settings, now)
    if mail is None:
        raise Skip("sent already")
    await runtime.mailer.send(mail)
    await usecases.finish_mail(session, wish.dedupe_key, now)


async def record_usage(session: WriteSession, usage: UsageRecorded, context: EventContext) -> None:
    if usage.metric not in COLUMNS:
        raise Skip(f"{usage.metric} is not counted here")
    await _expect_user(session, usage.user_id)
    await usecases.record_usage(session, usage, now=context.runtime.clock.now())


async def project_plan(session: WriteSession, snapshot: EntitlementChanged, context: EventContext) -> None:
    await _expect_user(session, snapshot.user_id)
    await usecases.project_plan(session, snapshot, now=context.runtime.clock.now())


async def project_subscription(session: WriteSession, fact: SubscriptionFact, context: EventContext) -> None:
    await _expect_user(session, fact.user_id)
    await usecases.project_subscription(session, fact, context.sequence, now=context.runtime.clock.now())


async def bind_customer(session: WriteSession, bound: UserStripeCustomerBound, context: EventContext) -> None:
    await _expect_user(session, bound.user_id)
    await usecases.bind_stripe_customer(
        session, bound.user_id, bound.stripe_customer_id, now=context.runtime.clock.now()
    )


async def confirm_erasure(session: WriteSession, event: UserErased, context: EventContext) -> None:
    await deletion.confirm(session, event, now=context.runtime.clock.now())


async def _expect_user(session: WriteSession, user_id: object) -> None:
    """Users are born here, so an unknown one was erased and late events about them are nobody's."""
    try:
        await repository.get_user(session, user_id)  # type: ignore[arg-type]
    except UserNotFound as error:
        raise Skip("no such user") from error
