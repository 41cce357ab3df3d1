"""Whoever speaks OpenAI's HTTP: pictures, made while we wait."""

import base64
import binascii
from typing import Any

import httpx

from services.jobs.providers.configuration import ProviderConfig
from services.jobs.providers.http import Channel
from services.jobs.providers.protocol import Made, Refused, Request, Uncertain

_SIZES = {"square": "1024x1024", "portrait": "1024x1536", "story": "1024x1536"}
_WIDE = "1536x1024"


class OpenAI:
    def __init__(self, http: httpx.AsyncClient, config: ProviderConfig) -> None:
        self._channel = Channel(http, config)

    async def submit(self, request: Request) -> Made:
        options = request.options
        size = _SIZES.get(options.get("size", "square"), _WIDE)
        body = {"model": request.model, "prompt": request.prompt, "n": options.get("n", 1), "size": size}
        answer = await self._channel.ask("/images/generations", body, **{"Idempotency-Key": str(request.job_id)})
        try:
            entries = answer["data"]
            pieces = [await self._bytes(entry) for entry in entries]
        except (KeyError, TypeError, binascii.Error, ValueError):
            raise Uncertain from None
        return Made(pieces, {"revised_prompts": [entry.get("revised_prompt") for entry in entries]})

    async def _bytes(self, entry: dict[str, Any]) -> bytes:
        if "b64_json" in entry:
            return base64.b64decode(entry["b64_json"], validate=True)
        return await self._channel.fetch(entry["url"])

    async def poll(self, remote_id: str) -> Made | None:
        raise Refused("PROVIDER_FAILED", f"There is nothing to ask for under {remote_id}.")

    async def cancel(self, remote_id: str) -> None:
        """A request that is answered at once can't be called off."""
