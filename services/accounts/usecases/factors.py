"""Second factors: adding an authenticator app, proving it, recovery codes, and taking it away again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update

from services.accounts import repository
from services.accounts.errors import (
    CodeRejected,
    FactorConfirmed,
    FactorNotFound,
    NoSecondFactor,
    SecondFactorRequired,
    TooManyFactors,
)
from services.accounts.models import RecoveryCode, User, UserFactor, UserSession
from services.accounts.revocation import forget_credentials
from services.accounts.second_factors import (
    Seeds,
    is_time_code,
    matching_step,
    new_recovery_codes,
    new_seed,
    recovery_digest,
)
from services.accounts.usecases.mailing import ask_for_mail
from services.accounts.usecases.sessions import revoke_sessions
from shared.database import ReadSession, WriteSession
from shared.ids import new_id
from shared.routing import SECOND_FACTOR

TOTP = "totp"
MOST_FACTORS = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """Who handles factors: the user, the session they do it from, and the assurance that session has."""

    user_id: UUID
    session_id: UUID
    assurance: int


async def list_factors(session: ReadSession, user_id: UUID) -> list[UserFactor]:
    wanted = select(UserFactor).where(UserFactor.user_id == user_id).order_by(UserFactor.created_at)
    return list(await session.scalars(wanted))


async def count_recovery_codes(session: ReadSession, user_id: UUID) -> int:
    """How many are left."""
    wanted = select(func.count()).select_from(RecoveryCode)
    return await session.scalar(wanted.where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))) or 0


async def add_factor(
    session: WriteSession, holder: Holder, name: str, *, seeds: Seeds, now: datetime
) -> tuple[UserFactor, bytes]:
    """An authenticator app that counts once its code was confirmed, and the seed to show to it, this once.

    Raises SecondFactorRequired when the user has a factor that this session did not prove, and TooManyFactors.
    """
    await repository.lock_user(session, holder.user_id)
    known = await list_factors(session, holder.user_id)
    _expect_proof(holder, known)
    # What was never confirmed was given up.
    given_up = delete(UserFactor).where(UserFactor.user_id == holder.user_id, UserFactor.confirmed_at.is_(None))
    await session.execute(given_up)
    if len([factor for factor in known if factor.confirmed_at]) >= MOST_FACTORS:
        raise TooManyFactors
    seed = new_seed()
    added = UserFactor(
        id=new_id(),
        user_id=holder.user_id,
        kind=TOTP,
        name=name,
        secret=seeds.sealed(seed),
        last_step=0,
        created_at=now,
    )
    session.add(added)
    return added, seed


async def confirm_factor(
    session: WriteSession, holder: Holder, factor_id: UUID, code: str, *, seeds: Seeds, moment: float, now: datetime
) -> tuple[UserFactor, list[str]]:
    """From now on logins need it. This session has proved it; the others end, for nobody proved anything there.

    Returns the recovery codes as well, if these are the first. Raises FactorNotFound, FactorConfirmed, CodeRejected.
    """
    user = await repository.lock_user(session, holder.user_id)
    factor = await _get_factor(session, user.id, factor_id)
    if factor.confirmed_at is not None:
        raise FactorConfirmed
    _expect_proof(holder, await list_factors(session, user.id))
    step = matching_step(seeds.opened(factor.secret), code, moment, factor.last_step)
    if step is None:
        raise CodeRejected
    factor.last_step, factor.confirmed_at, factor.last_used_at = step, now, now
    codes = [] if await count_recovery_codes(session, user.id) else await _replace_codes(session, user.id, now)
    await session.execute(update(UserSession).where(UserSession.id == holder.session_id).values(aal=SECOND_FACTOR))
    await revoke_sessions(session, user, keep=holder.session_id, reason="second_factor_added", now=now)
    await ask_for_mail(session, user.id, "second_factor_added")
    return factor, codes


async def remove_factor(session: WriteSession, holder: Holder, factor_id: UUID) -> None:
    """Raises FactorNotFound, and SecondFactorRequired from a session that did not prove a factor."""
    user = await repository.lock_user(session, holder.user_id)
    factor = await _get_factor(session, user.id, factor_id)
    if factor.confirmed_at is not None:
        _expect_proof(holder, [factor])
        await ask_for_mail(session, user.id, "second_factor_removed")
    await session.delete(factor)
    await session.flush()
    await _forget_proofs(session, user)


async def remove_all_factors(session: WriteSession, user_id: UUID) -> int:
    """For an operator, who knows by other means that the owner lost them. Returns how many there were."""
    user = await repository.lock_user(session, user_id)
    gone = delete(UserFactor).where(UserFactor.user_id == user.id).returning(UserFactor.confirmed_at)
    removed = len(list(await session.scalars(gone)))
    if removed:
        await ask_for_mail(session, user.id, "second_factor_removed")
    await _forget_proofs(session, user)
    return removed


async def renew_recovery_codes(session: WriteSession, holder: Holder, *, now: datetime) -> list[str]:
    """Ten new codes; those before are dead. Raises NoSecondFactor and SecondFactorRequired."""
    user = await repository.lock_user(session, holder.user_id)
    known = await list_factors(session, user.id)
    if not any(factor.confirmed_at for factor in known):
        raise NoSecondFactor
    _expect_proof(holder, known)
    return await _replace_codes(session, user.id, now)


async def use_code(session: WriteSession, user: User, code: str, *, seeds: Seeds, moment: float, now: datetime) -> None:
    """Prove a factor of a locked user. A code, of either kind, works once. Raises CodeRejected."""
    plain = "".join(code.split())
    if is_time_code(plain):
        used = await _use_time_code(session, user.id, plain, seeds=seeds, moment=moment, now=now)
    else:
        used = await _use_recovery_code(session, user.id, plain, now=now)
    if not used:
        raise CodeRejected


async def _use_time_code(
    session: WriteSession, user_id: UUID, code: str, *, seeds: Seeds, moment: float, now: datetime
) -> bool:
    for factor in await list_factors(session, user_id):
        if factor.confirmed_at is None:
            continue
        step = matching_step(seeds.opened(factor.secret), code, moment, factor.last_step)
        if step is not None:
            factor.last_step, factor.last_used_at = step, now
            return True
    return False


async def _use_recovery_code(session: WriteSession, user_id: UUID, code: str, *, now: datetime) -> bool:
    used = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == recovery_digest(code))
        .where(RecoveryCode.used_at.is_(None))
        .values(used_at=now)
        .returning(RecoveryCode.user_id)
    )
    if await session.scalar(used) is None:
        return False
    await ask_for_mail(session, user_id, "recovery_code_used", left=await count_recovery_codes(session, user_id))
    return True


async def _replace_codes(session: WriteSession, user_id: UUID, now: datetime) -> list[str]:
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = new_recovery_codes()
    session.add_all([RecoveryCode(user_id=user_id, code_hash=recovery_digest(code), created_at=now) for code in codes])
    return codes


async def _get_factor(session: WriteSession, user_id: UUID, factor_id: UUID) -> UserFactor:
    factor = await session.get(UserFactor, factor_id)
    if factor is None or factor.user_id != user_id:
        raise FactorNotFound
    return factor


def _expect_proof(holder: Holder, factors: list[UserFactor]) -> None:
    if holder.assurance < SECOND_FACTOR and any(factor.confirmed_at for factor in factors):
        raise SecondFactorRequired


async def _forget_proofs(session: WriteSession, user: User) -> None:
    """Without a factor nothing is proved any more, and recovery codes recover nothing."""
    if not any(factor.confirmed_at for factor in await list_factors(session, user.id)):
        await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
        await session.execute(update(UserSession).where(UserSession.user_id == user.id).values(aal=1))
    await forget_credentials(session, user.id)
