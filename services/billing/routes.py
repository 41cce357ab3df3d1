"""All of billing's routes."""

from services.billing import endpoints, endpoints_admin, endpoints_grants, endpoints_history, endpoints_subscription
from shared.routing import Router

router = Router()
for part in (endpoints, endpoints_subscription, endpoints_history, endpoints_admin, endpoints_grants):
    router.include(part.router)
