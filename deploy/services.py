"""The five services: the one list that hosts, gateways, documents and tests read."""

from services.accounts.app import service as accounts
from services.billing.app import service as billing
from services.chat.app import service as chat
from services.community.app import service as community
from services.jobs.app import service as jobs
from shared.service import Service

SERVICES: tuple[Service, ...] = (accounts, billing, chat, jobs, community)


def service_named(name: str) -> Service:
    """Raises KeyError for a name that is not one of the five."""
    return {service.name: service for service in SERVICES}[name]
