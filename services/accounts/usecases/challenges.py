"""The second step of a login: the password was right, and a code of the second factor follows."""

from datetime import datetime

from sqlalchemy import delete, update

from services.accounts import repository
from services.accounts.errors import LoginExpired
from services.accounts.models import ACTIVE, LoginChallenge
from services.accounts.second_factors import Seeds
from services.accounts.tokens import digest
from services.accounts.usecases.factors import use_code
from services.accounts.usecases.passwords import Checked
from shared.database import Database, WriteSession

MOST_TRIES = 5


async def count_try(database: Database, token: str, now: datetime) -> None:
    """Count a try before it is judged, in a transaction of its own, so that parallel guesses count too.

    Raises LoginExpired, also for the sixth try.
    """
    counted = (
        update(LoginChallenge)
        .where(LoginChallenge.token_hash == digest(token), LoginChallenge.expires_at > now)
        .where(LoginChallenge.tries < MOST_TRIES)
        .values(tries=LoginChallenge.tries + 1)
        .returning(LoginChallenge.user_id)
    )
    async with database.write() as session:
        if await session.scalar(counted) is None:
            raise LoginExpired


async def pass_challenge(
    session: WriteSession, token: str, code: str, *, seeds: Seeds, moment: float, now: datetime
) -> Checked:
    """Use the login and the code up, each for once. Raises LoginExpired and CodeRejected."""
    challenge = await session.get(LoginChallenge, digest(token))
    if challenge is None or challenge.expires_at <= now:
        raise LoginExpired
    user = await repository.lock_user(session, challenge.user_id)
    if user.status != ACTIVE or user.password_hash != challenge.password_hash:
        raise LoginExpired
    await use_code(session, user, code, seeds=seeds, moment=moment, now=now)
    won = delete(LoginChallenge).where(LoginChallenge.token_hash == digest(token)).returning(LoginChallenge.user_id)
    if await session.scalar(won) is None:
        raise LoginExpired
    return Checked(user.id, challenge.password_hash, None)
