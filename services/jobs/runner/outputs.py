"""Files on their way: inputs into the work folder, outputs into the store under a prefix that only this attempt has."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from services.jobs.uploads import plain_name
from shared.ids import new_id
from shared.storage import Storage

_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "gif": ".gif"}


async def fetch_inputs(storage: Storage, inputs: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Copy the inputs to local paths of our own naming. One that is missing from the store is left out."""
    fetched = []
    for number, entry in enumerate(inputs):
        media = entry["media"] or {}
        path = folder / f"input-{number}{_SUFFIXES.get(media.get('format', ''), '')}"
        try:
            await _copy(storage, entry["key"], path)
        except FileNotFoundError:
            continue
        fetched.append({"path": str(path), "media": media})
    return fetched


async def _copy(storage: Storage, key: str, path: Path) -> None:
    size = await storage.size(key)
    with path.open("wb") as target:
        async for piece in storage.stream(key, end=size):
            await asyncio.to_thread(target.write, piece)


async def store(storage: Storage, prefix: str, files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Upload what the attempt made; returns the files as the job's row keeps them."""
    return [await _store(storage, prefix, number, file) for number, file in enumerate(files)]


async def _store(storage: Storage, prefix: str, number: int, file: dict[str, Any]) -> dict[str, Any]:
    path = Path(file["path"])
    name = plain_name(file["name"])
    key = f"{prefix}/{number}-{name}"
    digest = await asyncio.to_thread(_sha256, path)
    await storage.put(key, path)
    described = {part: value for part, value in file.items() if part != "path"}
    return {**described, "id": str(new_id()), "key": key, "name": name, "sha256": digest}


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


async def discard(storage: Storage, prefix: str) -> None:
    for key in await storage.list(prefix):
        await storage.delete(key)
