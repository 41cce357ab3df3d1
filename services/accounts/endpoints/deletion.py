"""The end of an account, and changing one's mind about it."""

from services.accounts import usecases
from services.accounts.endpoints.dependencies import InAccounts, Revoking
from services.accounts.schemas import DeletionBody, DeletionRead
from shared.database import Read, Write
from shared.identity import Caller
from shared.routing import Router, user

router = Router(tags=["profile"])


@router.delete("/v1/me", access=user(fresh=True), status_code=202)
async def delete_me(
    caller: Caller, accounts: InAccounts, session: Revoking, body: DeletionBody | None = None
) -> DeletionRead:
    """Signs out everywhere at once. Until `execute_after` a new login can take it back; then everything is erased but
    what the law wants kept of payments. `forum_content` says whether posts stay without a name or lose their words."""
    wish = body.forum_content if body else "keep"
    grace = accounts.parts.settings.deletion_grace
    request = await usecases.request_deletion(session, caller.user_id, wish, now=accounts.now, grace=grace)
    return DeletionRead.model_validate(request)


@router.get("/v1/me/deletion", access=user())
async def read_deletion(caller: Caller, session: Read) -> DeletionRead:
    return DeletionRead.model_validate(await usecases.get_deletion(session, caller.user_id))


@router.post("/v1/me/deletion/cancel", access=user(), status_code=204)
async def cancel_deletion(caller: Caller, accounts: InAccounts, session: Write) -> None:
    """The account stays; keys and sessions that were revoked stay revoked."""
    await usecases.cancel_deletion(session, caller.user_id, now=accounts.now)
