"""From what a provider made to the same report that a local engine gives: real pictures, of a known size."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from services.jobs.providers.protocol import Made, NotAccepted, Refused, TryAgain, Uncertain
from services.jobs.providers.remote import RemoteWork
from services.jobs.queue import Claim
from services.jobs.uploads import probe
from shared.errors import Problem

_MAGIC = {b"\x89PNG": ("png", "image/png"), b"\xff\xd8\xff": ("jpg", "image/jpeg"), b"RIFF": ("webp", "image/webp")}
_UNCERTAIN = "The provider's answer was lost. It was not asked again, so that nothing is paid for twice."


async def report_of(
    remote: RemoteWork, claim: Claim, folder: Path, hear: Callable[[str], None], *, probe_seconds: float
) -> dict[str, Any] | None:
    """The report of the work, or None when it is the local engine's turn."""
    try:
        done = await remote.run(claim, hear)
        if done is None:
            return None
        files = [await _file(folder, n, piece, probe_seconds) for n, piece in enumerate(done.made.pieces)]
    except Refused as refused:
        return {"event": "refused", "code": refused.code, "message": refused.message}
    except Uncertain:
        return {"event": "refused", "code": "PROVIDER_UNCERTAIN", "message": _UNCERTAIN}
    except (NotAccepted, TryAgain) as error:
        return {"event": "failed", "code": error.code, "message": error.message, "retry_after": error.retry_after}
    units = _units(claim, done.made)
    return {"event": "result", "files": files, "data": done.made.data, "units": units, "engine": done.engine}


async def _file(folder: Path, number: int, piece: bytes, probe_seconds: float) -> dict[str, Any]:
    """Written down, and opened in a child: what calls itself a picture has to be one. Raises Refused."""
    kind = next((found for magic, found in _MAGIC.items() if piece.startswith(magic)), None)
    if kind is None:
        raise Refused("PROVIDER_FAILED", "The provider did not answer with a picture.")
    path = folder / "out" / f"made-{number + 1}.{kind[0]}"
    await asyncio.to_thread(path.write_bytes, piece)
    try:
        media = (await probe(path, kind[1], probe_seconds))["media"]
    except Problem:
        raise Refused("PROVIDER_FAILED", "The provider's picture can't be opened.") from None
    size = {"width": media["width"], "height": media["height"], "duration": None}
    return {"path": str(path), "name": path.name, "kind": "image", "content_type": kind[1], "bytes": len(piece), **size}


def _units(claim: Claim, made: Made) -> dict[str, int]:
    """What was held, but for pictures: of those, as many as came."""
    return {**claim.units, **({"images": len(made.pieces)} if "images" in claim.units else {})}
