"""Requests to providers, and what each kind of answer means for the money."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from services.jobs.providers.configuration import ProviderConfig
from services.jobs.providers.protocol import NotAccepted, Refused, Uncertain

LARGEST_RESULT = 256 * 1024 * 1024
# Nothing was sent, so nothing can have been accepted.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REFUSALS = {400, 413, 415, 422}
_TOO_MANY = 429


class Channel:
    """One provider's HTTP, with its key."""

    def __init__(self, http: httpx.AsyncClient, config: ProviderConfig) -> None:
        self._http, self._config = http, config
        self._base = str(config.base_url).rstrip("/")

    async def ask(self, path: str, body: dict[str, Any], **headers: str) -> Any:
        """Ask for work. Raises NotAccepted, Refused, or Uncertain when the answer was lost on its way."""
        try:
            answer = await self._http.post(f"{self._base}{path}", json=body, **self._options(headers))
        except _UNSENT as error:
            raise _away(error) from error
        except httpx.TransportError as error:
            raise Uncertain from error
        return _content(answer)

    async def look(self, path: str) -> Any:
        """Ask how the work is getting on. Whatever goes wrong is asked again later: nothing is paid by looking."""
        try:
            answer = await self._http.get(f"{self._base}{path}", **self._options({}))
        except httpx.TransportError as error:
            raise _away(error) from error
        if answer.status_code in _REFUSALS or answer.status_code == httpx.codes.NOT_FOUND:
            raise Refused("PROVIDER_FAILED", "The provider no longer knows of this job.")
        return _content(answer)

    async def tell(self, path: str) -> None:
        """Call work off, as far as the provider listens."""
        try:
            await self._http.post(f"{self._base}{path}", **self._options({}))
        except httpx.TransportError:
            return

    async def fetch(self, url: str) -> bytes:
        """A result's bytes, from the provider itself or over TLS. Raises Refused or NotAccepted."""
        if not url.startswith(("https://", f"{self._base}/")):
            raise Refused("PROVIDER_FAILED", "The provider's answer could not be used.")
        pieces, size = [], 0
        try:
            async with self._http.stream("GET", url, timeout=self._config.timeout_seconds) as answer:
                answer.raise_for_status()
                async for piece in answer.aiter_bytes():
                    pieces.append(piece)
                    size += len(piece)
                    if size > LARGEST_RESULT:
                        raise Refused("PROVIDER_FAILED", "The provider's result is too large.")
        except httpx.HTTPError as error:
            raise _away(error) from error
        return b"".join(pieces)

    def _options(self, headers: dict[str, str]) -> dict[str, Any]:
        key = self._config.api_key.get_secret_value()
        signed = {"Authorization": f"Bearer {key}", **headers} if key else headers
        return {"headers": signed, "timeout": self._config.timeout_seconds}


def _away(error: Exception) -> NotAccepted:
    return NotAccepted("PROVIDER_UNAVAILABLE", f"The provider can't be reached ({type(error).__name__}).")


def _content(answer: httpx.Response) -> Any:
    if answer.status_code == _TOO_MANY:
        wait = retry_after(answer.headers.get("Retry-After"))
        raise NotAccepted("PROVIDER_RATE_LIMITED", "The provider has too much to do.", wait)
    if answer.status_code in _REFUSALS:
        raise Refused("PROVIDER_REFUSED", "The provider does not take this request.")
    if not answer.is_success:
        wait = retry_after(answer.headers.get("Retry-After"))
        raise NotAccepted("PROVIDER_UNAVAILABLE", f"The provider answered {answer.status_code}.", wait)
    try:
        return answer.json()
    except ValueError:
        raise Uncertain from None


def retry_after(header: str | None) -> float | None:
    """Seconds from a Retry-After header, which may hold seconds or a date; at most an hour."""
    if not header:
        return None
    try:
        wait = float(header)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(3600.0, max(0.0, wait)) if wait == wait else None  # noqa: PLR0124 - only NaN differs from itself
