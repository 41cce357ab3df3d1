"""Forgetting what has served its time."""

from datetime import datetime, timedelta

from sqlalchemy import delete, text

from services.accounts.models import LoginChallenge, Mail, OneTimeToken, UsageEvent, User, UserSession
from services.accounts.settings import AccountsSettings
from shared.database import WriteSession

ENDED_SESSIONS_DAYS = 30
MAILS_DAYS = 90
USAGE_EVENTS_DAYS = 400


async def prune(session: WriteSession, *, now: datetime, settings: AccountsSettings) -> None:
    """Delete used-up tokens, ended sessions, sign-ups nobody confirmed, and records past their days.

    The totals of usage stay; after 400 days a repeated record would no longer be noticed, and none is that late.
    """
    long_ended = now - timedelta(days=ENDED_SESSIONS_DAYS)
    unverified_since = now - timedelta(hours=settings.unverified_hours)
    for stale in (
        delete(OneTimeToken).where(OneTimeToken.expires_at <= now),
        delete(LoginChallenge).where(LoginChallenge.expires_at <= now),
        delete(UserSession).where(UserSession.expires_at < long_ended),
        delete(UserSession).where(UserSession.revoked_at < long_ended),
        delete(User).where(User.email_verified_at.is_(None), User.created_at < unverified_since),
        delete(Mail).where(Mail.requested_at < now - timedelta(days=MAILS_DAYS)),
        delete(UsageEvent).where(UsageEvent.occurred_at < now - timedelta(days=USAGE_EVENTS_DAYS)),
    ):
        await session.execute(stale)
    # Limits are kept by the database's clock; one that lies in the past limits nothing.
    await session.execute(text("DELETE FROM rate_limits WHERE tat < clock_timestamp()"))
