"""API keys of the signed-in user. No route here takes an API key."""

from datetime import timedelta

from services.accounts import repository, usecases
from services.accounts.endpoints.dependencies import InAccounts, Revoking
from services.accounts.schemas import KeyBody, KeyChangeBody, KeyRead, Keys, KeyShown, RotateBody, key_shown
from services.accounts.usecases.api_keys import RUNNER
from shared.database import Read, Write
from shared.errors import Unprocessable
from shared.identity import Caller
from shared.routing import Router, user

router = Router(tags=["API keys"])


@router.get("/v1/me/api-keys", access=user())
async def list_keys(caller: Caller, session: Read) -> Keys:
    found = await repository.list_keys(session, caller.user_id)
    return Keys(items=[KeyRead.model_validate(key) for key in found])


@router.post("/v1/me/api-keys", access=user(), status_code=201)
async def create_key(body: KeyBody, caller: Caller, accounts: InAccounts, session: Write) -> KeyShown:
    """The key is shown once. There is no replay by Idempotency-Key here: that would mean storing the key."""
    now = accounts.now
    if body.expires_at is not None and body.expires_at <= now:
        _refuse("expires_at", "in_the_past", "A key must expire in the future.")
    if body.tools and RUNNER not in body.scopes:
        _refuse("tools", "runner_only", "Only a runner key names tools.")
    wanted = usecases.KeyRequest(body.name, tuple(body.scopes), tuple(body.tools), body.expires_at)
    key, shown = await usecases.create_key(session, caller.user_id, wanted, roles=caller.roles, now=now)
    return key_shown(key, shown)


def _refuse(field: str, code: str, detail: str) -> None:
    raise Unprocessable(detail, errors=[{"field": field, "code": code, "detail": detail}])


@router.get("/v1/me/api-keys/{key_id}", access=user())
async def read_key(key_id: str, caller: Caller, session: Read) -> KeyRead:
    return KeyRead.model_validate(await repository.get_key(session, caller.user_id, key_id))


@router.patch("/v1/me/api-keys/{key_id}", access=user())
async def update_key(key_id: str, body: KeyChangeBody, caller: Caller, session: Write) -> KeyRead:
    return KeyRead.model_validate(await usecases.update_key(session, caller.user_id, key_id, name=body.name))


@router.delete("/v1/me/api-keys/{key_id}", access=user(), status_code=204)
async def revoke_key(key_id: str, caller: Caller, accounts: InAccounts, session: Revoking) -> None:
    await usecases.revoke_key(session, caller.user_id, key_id, now=accounts.now)


@router.post("/v1/me/api-keys/{key_id}/rotate", access=user())
async def rotate_key(
    key_id: str, caller: Caller, accounts: InAccounts, session: Revoking, body: RotateBody | None = None
) -> KeyShown:
    """A new secret; the one before it works until `overlap_until`."""
    given = body.overlap_seconds if body else None
    overlap = timedelta(hours=accounts.settings.key_overlap_hours) if given is None else timedelta(seconds=given)
    key, shown = await usecases.rotate_key(session, caller.user_id, key_id, overlap=overlap, now=accounts.now)
    return key_shown(key, shown)
