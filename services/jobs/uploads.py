"""Files that users bring: announced, sent to a signed URL, then opened in a sandbox before anything may use them."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from services.jobs import repository
from services.jobs.engines import extras, media
from services.jobs.engines.film.probing import KINDS
from services.jobs.errors import (
    FileNotFound,
    MediaUnsupported,
    UploadAlreadyComplete,
    UploadDiffers,
    UploadMissing,
    UploadTooLarge,
    media_refused,
)
from services.jobs.models import File, RunnerOutput
from services.jobs.settings import JobsSettings
from shared.database import ReadSession, WriteSession
from shared.ids import new_id
from shared.storage import Storage

SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    **{content_type: suffix for content_type, (suffix, _) in KINDS.items()},
}
# The most that one PUT may carry, whatever was announced.
LARGEST_BODY = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a user says they will send; `size` in bytes."""

    filename: str
    content_type: str
    size: int
    sha256: str | None


def begin_upload(
    session: WriteSession, settings: JobsSettings, user_id: UUID, announced: Announcement, now: datetime
) -> File:
    """Expect a file. Raises UploadTooLarge or MediaUnsupported for what would be refused anyway."""
    is_film = announced.content_type in KINDS
    limit = settings.upload_max_bytes if is_film else min(settings.upload_max_bytes, media.MAX_BYTES)
    if announced.size > limit:
        raise UploadTooLarge(f"A file may have at most {limit} bytes.")
    if announced.content_type not in SUFFIXES:
        raise MediaUnsupported("Pictures (PNG, JPEG, WebP, GIF), films (MP4, MOV, WebM) and sound can be used.")
    if is_film and (fault := extras.lacks([extras.FILM_READER])):
        raise MediaUnsupported(f"Films and sound can't be used yet. {fault}")
    file_id = new_id()
    file = File(
        id=file_id,
        user_id=user_id,
        key=f"incoming/{user_id}/{file_id}",
        purpose="upload",
        status="PENDING",
        filename=announced.filename,
        content_type=announced.content_type,
        size=announced.size,
        sha256=announced.sha256,
        created_at=now,
    )
    session.add(file)
    return file


def plain_name(name: str) -> str:
    """A file name that is one everywhere: its last part, with letters, digits and `._-` only."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in Path(name).name)


async def get_expected(session: ReadSession, key: str) -> File | RunnerOutput:
    """What may be sent to this key: an upload, or an output of a runner that still holds its job.

    Raises FileNotFound or UploadAlreadyComplete.
    """
    output = await repository.find_expected_output(session, key)
    if output is not None:
        return output
    file = await repository.find_file_by_key(session, key)
    if file is None or file.purpose != "upload" or file.status == "GONE":
        raise FileNotFound
    if file.status != "PENDING":
        raise UploadAlreadyComplete
    return file


async def receive(storage: Storage, file: File | RunnerOutput, body: AsyncIterator[bytes]) -> None:
    """Store what arrives, or nothing of it. Raises UploadTooLarge or UploadDiffers when it is not as announced."""
    counter = _Counter(body, file.size)
    try:
        await storage.put(file.key, counter.pieces())
    except Exception:
        # The store wraps what the body raised; ours tells more.
        if counter.refusal:
            raise counter.refusal from None
        raise
    if counter.received < file.size:
        await storage.delete(file.key)
        raise UploadDiffers(f"{counter.received} bytes arrived, {file.size} were announced.")


class _Counter:
    def __init__(self, body: AsyncIterator[bytes], size: int) -> None:
        self._body, self._size = body, size
        self.received = 0
        self.refusal: UploadTooLarge | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._body:
            self.received += len(piece)
            if self.received > self._size:
                self.refusal = UploadTooLarge(f"{self._size} bytes were announced and more arrived.")
                raise self.refusal
            if piece:
                yield piece


async def examine(storage: Storage, settings: JobsSettings, file: File) -> tuple[str, dict[str, Any]]:
    """Open the file in a process of its own and copy it to where nobody can overwrite it.

    Returns the final key and what the file is. Raises UploadMissing, UploadDiffers, MediaUnsupported, UploadTooLarge.
    """
    with tempfile.TemporaryDirectory(prefix="atelier-probe-") as folder:
        path = Path(folder) / f"file{SUFFIXES[file.content_type]}"
        await _fetch(storage, file, path)
        found = await probe(path, file.content_type, settings.probe_seconds)
        if file.sha256 not in {None, found["sha256"]}:
            raise UploadDiffers("The SHA-256 is not the one that was announced.")
        key = f"inputs/{file.user_id}/{file.id}"
        await storage.put(key, path)
    await storage.delete(file.key)
    return key, found


async def _fetch(storage: Storage, file: File, path: Path) -> None:
    try:
        size = await storage.size(file.key)
    except FileNotFoundError:
        raise UploadMissing from None
    if size != file.size:
        raise UploadDiffers(f"{size} bytes arrived, {file.size} were announced.")
    with path.open("wb") as target:
        async for piece in storage.stream(file.key, end=size):
            await asyncio.to_thread(target.write, piece)


async def probe(path: Path, content_type: str, seconds: float) -> dict[str, Any]:
    """Let a child with tight limits open the file: what a hostile one can do is end that child.

    Returns its `sha256` and `media`. Raises MediaUnsupported or UploadTooLarge.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.jobs.probing",
        str(path),
        content_type,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            extras.FOLDER_VARIABLE: str(extras.folder()),
        },
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        raise MediaUnsupported("The file takes too long to open.") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise MediaUnsupported("The file can't be opened.")
    found: dict[str, Any] = orjson.loads(said)
    if "refused" in found:
        raise media_refused(found["refused"], found["message"])
    return found


async def finish_upload(session: WriteSession, file: File, key: str, found: dict[str, Any]) -> File:
    """Make the file usable. A second completion at the same time changes nothing."""
    current = await repository.get_upload(session, file.user_id, file.id)
    if current.status == "PENDING":
        current.key, current.status = key, "READY"
        current.sha256, current.media = found["sha256"], found["media"]
    return current
