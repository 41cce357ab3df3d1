"""Builds a service's runtime from the environment; every topology goes through here and nothing else does."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from shared.clock import Clock, OffsetClock, SystemClock
from shared.database import Database
from shared.events.transport import Transport
from shared.identity import FileKeys, Keys, UrlKeys
from shared.mail import FolderMailer, Mailer, SmtpMailer
from shared.runtime import ALL_ROLES, Runtime
from shared.service import Service
from shared.settings import MissingSetting, Settings
from shared.storage import open_storage


def clock_of(settings: Settings) -> Clock:
    """Wall time in production; locally a clock that all processes of one data folder share."""
    return SystemClock() if settings.is_production else OffsetClock(_home() / "clock")


def runtime_of(
    service: Service,
    settings: Settings,
    *,
    database: Database,
    transport: Transport,
    http: httpx.AsyncClient,
    clock: Clock,
    roles: frozenset[str] = ALL_ROLES,
) -> Runtime:
    return Runtime(
        service=service.name,
        settings=settings,
        database=database,
        transport=transport,
        http=http,
        clock=clock,
        storage=open_storage(
            settings.storage_url or str(_home() / "files"),
            public_url=settings.public_url,
            secret=settings.signing_secret,
        ),
        mailer=mailer_of(service, settings),
        keys=keys_of(settings, http),
        roles=roles,
    )


def keys_of(settings: Settings, http: httpx.AsyncClient) -> Keys:
    """The public keys of accounts: a file both sides see, or its JWKS document over HTTP."""
    source = settings.identity_jwks or str(_home() / "keys" / "jwks.json")
    return UrlKeys(source, http) if source.startswith("http") else FileKeys(Path(source))


def mailer_of(service: Service, settings: Settings) -> Mailer:
    """SMTP for the one service that sends mail in production, else a folder."""
    if not settings.is_production or service.name != "accounts":
        return FolderMailer(_home() / "mail")
    return SmtpMailer(
        _needed("SMTP_HOST"),
        int(os.environ.get("SMTP_PORT", "587")),
        username=os.environ.get("SMTP_USERNAME", ""),
        password=os.environ.get("SMTP_PASSWORD", ""),
        sender=_needed("SMTP_SENDER"),
        tls=os.environ.get("SMTP_TLS", "") == "true",
    )


def database_of(service: Service, settings: Settings, clock: Clock) -> Database:
    return Database(settings.database_url, size=settings.pool_size, service=service.name, clock=clock)


@asynccontextmanager
async def http_client() -> AsyncIterator[httpx.AsyncClient]:
    """One client per process; callers set shorter time-outs where they know better."""
    async with httpx.AsyncClient(timeout=20, follow_redirects=False) as client:
        yield client


def _needed(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise MissingSetting(f"{name} must be set when ATELIER_ENV=production.")
    return value


def _home() -> Path:
    return Path(os.environ.get("ATELIER_HOME") or ".atelier").absolute()
