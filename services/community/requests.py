"""What endpoints take beside their bodies: the runtime, versions of `If-Match`, and visitors as hashes."""

import hashlib
import hmac
import ipaddress
import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from pydantic import AfterValidator
from starlette.responses import Response

from services.community.affiliates.terms import Terms, terms_of
from services.community.affiliates.usecases.payouts import PayoutTerms
from services.community.settings import CommunitySettings
from shared import rate_limits
from shared.errors import PreconditionFailed, PreconditionRequired
from shared.identity import MaybeCaller
from shared.runtime import Runtime

HOUR = 3600
# Digits of a version that a 32-bit integer surely holds.
LONGEST_VERSION = 10


class Community:
    """What most endpoints need of the runtime, typed."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @property
    def settings(self) -> CommunitySettings:
        settings: CommunitySettings = self.runtime.settings  # type: ignore[assignment]
        return settings

    @property
    def terms(self) -> Terms:
        return terms_of(self.settings)

    @property
    def payout_terms(self) -> PayoutTerms:
        return PayoutTerms(self.settings.currency, self.settings.affiliate_payout_minimum)

    @property
    def now(self) -> datetime:
        return self.runtime.clock.now()

    async def limit(self, key: str, per_hour: int, detail: str) -> None:
        """Count one hit under the key. Raises RateLimited with `detail`."""
        async with self.runtime.database.pool.connection() as connection:
            await rate_limits.enforce(connection, key, rate_limits.Rule(per_hour, HOUR), detail)


async def _community(request: Request) -> Community:
    return Community(request.app.state.runtime)


InCommunity = Annotated[Community, Depends(_community)]


async def _edited_version(if_match: Annotated[str | None, Header(max_length=64)] = None) -> int:
    if if_match is None:
        raise PreconditionRequired
    tag = if_match.strip().removeprefix("W/").strip('"')
    if not (tag.isascii() and tag.isdigit() and len(tag) < LONGEST_VERSION):
        raise PreconditionFailed("If-Match must be the ETag that you read.")
    return int(tag)


# The version of the thing that the caller edited, from `If-Match`.
EditedVersion = Annotated[int, Depends(_edited_version)]


def tag(response: Response, version: int) -> None:
    """Tell the version to send as `If-Match` with an edit."""
    response.headers["ETag"] = f'"{version}"'


async def _visitor(request: Request, caller: MaybeCaller, community: InCommunity) -> bytes:
    """A keyed hash of who is looking, of no use tomorrow: the key holds the day. Networks stand for IPv6 hosts."""
    ip = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "")
    who = f"user:{caller.user_id}" if caller else f"visitor:{_network(ip)}:{agent}"
    return keyed_hash(community, f"{community.now.date()}:{who}")


def keyed_hash(community: Community, value: str) -> bytes:
    """A hash that only this installation can make."""
    return hmac.digest(community.settings.signing_secret.encode(), value.encode("utf-8", "replace"), hashlib.sha256)[
        :16
    ]


def _network(ip: str) -> str:
    try:
        address = ipaddress.ip_address(ip.split("%", maxsplit=1)[0])
    except ValueError:
        return ip
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)  # noqa: PLR2004


Visitor = Annotated[bytes, Depends(_visitor)]


async def _caller_s_network(request: Request, caller: MaybeCaller, community: InCommunity) -> str:
    """What to count limits by where anybody may act: the user, else the network, which is harder to change than the
    rest of what a visitor says of themselves. Only a hash of it is kept."""
    who = str(caller.user_id) if caller else _network(request.client.host if request.client else "")
    return keyed_hash(community, who).hex()


Network = Annotated[str, Depends(_caller_s_network)]

# What crawlers and link previews call themselves.
MACHINES = re.compile(r"bot\b|bot/|crawl|spider|slurp|preview|headless|curl/|wget/|python-requests", re.IGNORECASE)


async def _seen_by_a_person(request: Request) -> bool:
    """Whether somebody looks: not a machine, and not a browser that loads ahead of its reader."""
    ahead = request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")
    return not (MACHINES.search(request.headers.get("user-agent", "")) or "prefetch" in ahead or "prerender" in ahead)


SeenByPerson = Annotated[bool, Depends(_seen_by_a_person)]


def without_nul(value: str | None) -> str | None:
    """Postgres has no NUL in its text."""
    if value is not None and "\0" in value:
        raise ValueError("must not hold NUL characters")
    return value


Clean = AfterValidator(without_nul)


TagQuery = Annotated[str | None, Query(max_length=40), Clean]
RequiredWords = Annotated[str, Query(min_length=1, max_length=200), Clean]
# What somebody searches for.
Words = Annotated[str | None, Query(max_length=200), Clean]


def id_in(value: str | None) -> UUID | None:
    """The id in a value that may be anything."""
    try:
        return UUID(value) if value else None
    except ValueError:
        return None


class Place:
    """Where a list goes on: cursors of one list and one owner, read and signed."""

    def __init__(self, community: Community, scope: str, cursor: str | None) -> None:
        self._cursors, self._scope = community.runtime.cursors, scope
        self.values = self._cursors.read(scope, cursor) if cursor else None

    def after(self, *values: datetime | UUID | str | float) -> str:
        return self._cursors.sign(self._scope, values)
