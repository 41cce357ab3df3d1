"""Replicate's predictions: accepted under an id, then asked for until they are there."""

from typing import Any

import httpx

from services.jobs.providers.configuration import ProviderConfig
from services.jobs.providers.http import Channel
from services.jobs.providers.protocol import Accepted, Made, Refused, Request, Uncertain

_ASPECTS = {"square": "1:1", "portrait": "4:5", "story": "9:16", "landscape": "16:9", "cover": "16:9"}


class Replicate:
    def __init__(self, http: httpx.AsyncClient, config: ProviderConfig) -> None:
        self._channel = Channel(http, config)

    async def submit(self, request: Request) -> Accepted:
        wanted: dict[str, Any] = {"prompt": request.prompt, "seed": request.seed % 2**31}
        if aspect := _ASPECTS.get(request.options.get("size", "")):
            wanted["aspect_ratio"] = aspect
        if (count := request.options.get("n", 1)) > 1:
            wanted["num_outputs"] = count
        answer = await self._channel.ask(f"/models/{request.model}/predictions", {"input": wanted})
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise Uncertain
        return Accepted(answer["id"])

    async def poll(self, remote_id: str) -> Made | None:
        answer = await self._channel.look(f"/predictions/{remote_id}")
        status = answer.get("status") if isinstance(answer, dict) else None
        if status in {"starting", "processing", "queued"}:
            return None
        if status != "succeeded":
            raise Refused("PROVIDER_FAILED", "The provider could not finish this.")
        output = answer.get("output")
        urls = output if isinstance(output, list) else [output]
        if not urls or not all(isinstance(url, str) for url in urls):
            raise Refused("PROVIDER_FAILED", "The provider's answer could not be used.")
        # They vanish within the hour, so they are copied at once.
        return Made([await self._channel.fetch(url) for url in urls])

    async def cancel(self, remote_id: str) -> None:
        await self._channel.tell(f"/predictions/{remote_id}/cancel")
