"""Second factors of the signed-in user. No route here takes an API key."""

import time
from typing import Annotated
from uuid import UUID

from fastapi import Depends

from services.accounts import repository, usecases
from services.accounts.endpoints.dependencies import InAccounts, Revoking
from services.accounts.schemas import (
    CodeBody,
    FactorBody,
    FactorProved,
    FactorRead,
    Factors,
    FactorShown,
    RecoveryCodes,
)
from services.accounts.second_factors import enrolment_uri, written_seed
from services.accounts.usecases import Holder
from shared.database import Read, Write
from shared.errors import Forbidden
from shared.identity import Caller
from shared.routing import Router, user

SLOW_DOWN = "Too many tries. Please wait a little."

router = Router(tags=["second factors"])


async def _holder(caller: Caller) -> Holder:
    if caller.session_id is None:
        raise Forbidden("API keys can't do this.")
    return Holder(caller.user_id, caller.session_id, caller.assurance)


InSession = Annotated[Holder, Depends(_holder)]


@router.get("/v1/me/factors", access=user())
async def list_factors(caller: Caller, session: Read) -> Factors:
    found = await usecases.list_factors(session, caller.user_id)
    left = await usecases.count_recovery_codes(session, caller.user_id)
    return Factors(items=[FactorRead.model_validate(factor) for factor in found], recovery_codes_left=left)


@router.post("/v1/me/factors", access=user(fresh=True), status_code=201)
async def add_factor(body: FactorBody, holder: InSession, accounts: InAccounts, session: Write) -> FactorShown:
    """An authenticator app, which counts once `…/confirm` saw a code of it. Adding another gives up what was not."""
    owner = await repository.get_user(session, holder.user_id)
    added, seed = await usecases.add_factor(session, holder, body.name, seeds=accounts.parts.seeds, now=accounts.now)
    shown = {"secret": written_seed(seed), "otpauth_uri": enrolment_uri(seed, owner.email_typed)}
    return FactorShown(**FactorRead.model_validate(added).model_dump(), **shown)


@router.post("/v1/me/factors/{factor_id}/confirm", access=user(fresh=True))
async def confirm_factor(
    factor_id: UUID, body: CodeBody, holder: InSession, accounts: InAccounts, session: Revoking
) -> FactorProved:
    """Logins need the factor from now on, and the user's other sessions end."""
    await accounts.limit(SLOW_DOWN, code_account=str(holder.user_id))
    factor, codes = await usecases.confirm_factor(
        session, holder, factor_id, body.code, seeds=accounts.parts.seeds, moment=time.time(), now=accounts.now
    )
    return FactorProved(**FactorRead.model_validate(factor).model_dump(), recovery_codes=codes)


@router.delete("/v1/me/factors/{factor_id}", access=user(fresh=True), status_code=204)
async def remove_factor(factor_id: UUID, holder: InSession, session: Revoking) -> None:
    """Needs a session that proved a factor. With the last one the recovery codes go too."""
    await usecases.remove_factor(session, holder, factor_id)


@router.post("/v1/me/recovery-codes", access=user(fresh=True), status_code=201)
async def renew_recovery_codes(holder: InSession, accounts: InAccounts, session: Write) -> RecoveryCodes:
    """Ten new codes; those before are dead."""
    return RecoveryCodes(codes=await usecases.renew_recovery_codes(session, holder, now=accounts.now))
