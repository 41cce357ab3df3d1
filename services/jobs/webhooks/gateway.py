"""HTTP to addresses that users name: none of them may lead into our own network."""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

TIMEOUT_SECONDS = 10
LONGEST_URL = 2000
_HOST = re.compile(rb"[A-Za-z0-9._:-]+")
# Addresses of IPv4 in IPv6 clothing, which would lead to the very places that are refused below.
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class AddressRefused(Exception):
    """The URL is none that we call; the message says why and is written for the user."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one try: a status, or the kind of trouble that kept one from coming."""

    status: int | None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        return self.status is not None and httpx.codes.is_success(self.status)


async def resolve(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet: not ours, not this machine's, not a cloud's metadata."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None or any(found in network for network in _TRANSLATED):
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def check_url(url: str, *, allow_loopback: bool) -> httpx.URL:
    """Raises AddressRefused for what needs no look-up to be refused."""
    try:
        parsed = httpx.URL(url)
        literal = _literal(parsed.host)
    except (httpx.InvalidURL, UnicodeError):
        raise AddressRefused("This is no URL.") from None
    if len(url) > LONGEST_URL or not _HOST.fullmatch(parsed.raw_host) or parsed.userinfo:
        raise AddressRefused("The URL needs a host, no password, and at most 2000 characters.")
    if parsed.scheme != "https" and not (allow_loopback and parsed.scheme == "http"):
        raise AddressRefused("The URL must begin with https://.")
    if literal is not None:
        _check_addresses(parsed, [literal], allow_loopback=allow_loopback)
    return parsed


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _check_addresses(url: httpx.URL, addresses: Sequence[str], *, allow_loopback: bool) -> None:
    """All of them: a name with one public and one private address is an attempt to get through."""
    local = allow_loopback and all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses)
    if not addresses or not (local or (url.scheme == "https" and all(map(is_public, addresses)))):
        raise AddressRefused("The URL does not lead to a public address.")


class Gateway:
    """Posts to users' servers. `allow_loopback` is for local environments only; see settings."""

    def __init__(
        self, *, allow_loopback: bool, resolve: Resolve = resolve, trust: ssl.SSLContext | None = None
    ) -> None:
        self._allow_loopback, self._resolve = allow_loopback, resolve
        # No proxy from the environment and no redirect: both would lead past the check of the address.
        self._http = httpx.AsyncClient(
            trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS, verify=trust or True
        )

    async def close(self) -> None:
        await self._http.aclose()

    def check_url(self, url: str) -> None:
        check_url(url, allow_loopback=self._allow_loopback)

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """One try, in at most ten seconds. The answer's body is never read."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(url, body, headers)
        except AddressRefused as refused:
            return Answer(None, str(refused))
        except TimeoutError:
            return Answer(None, "There was no answer in time.")
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            return Answer(None, f"The connection failed: {type(error).__name__}.")

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Look the name up once and connect to the very address that was checked: a second look-up could differ."""
        parsed = check_url(url, allow_loopback=self._allow_loopback)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        addresses = await self._resolve(parsed.host, port)
        _check_addresses(parsed, addresses, allow_loopback=self._allow_loopback)
        request = self._http.build_request(
            "POST",
            parsed.copy_with(host=addresses[0]),
            content=body,
            headers={**headers, "Host": parsed.netloc.decode()},
            extensions={"sni_hostname": parsed.raw_host.decode()},
        )
        answer = await self._http.send(request, stream=True)
        await answer.aclose()
        return Answer(answer.status_code)
