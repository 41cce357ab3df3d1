"""HTTP into accounts, by what the caller is after."""

from services.accounts.endpoints import (
    admin,
    api_keys,
    authentication,
    deletion,
    factors,
    profile,
    sessions,
    usage,
    verification,
)
from shared.routing import Router

router = Router()
for part in (authentication, profile, deletion, sessions, factors, api_keys, usage, admin, verification):
    router.include(part.router)
