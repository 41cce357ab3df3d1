"""Uploads, and the files themselves behind signed URLs."""

import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from services.jobs import repository, uploads
from services.jobs.errors import FileNotFound, FileUrlNotGenuine, ResultGone, UploadTooLarge
from services.jobs.models import File
from services.jobs.parts import JobsParts, Parts
from services.jobs.schemas import MediaRead, UploadRead, UploadRequest
from services.jobs.uploads import Announcement
from shared.database import Read, Write
from shared.identity import Caller
from shared.routing import Router, public, user

router = Router(tags=["files"])

WRITES = user(scope="jobs:write")
LATEST = 2**53
_RANGE = re.compile(r"bytes=(\d{1,15})?-(\d{1,15})?")
_BYTES = {"type": "string", "format": "binary"}
_FILE = {200: {"description": "The file.", "content": {"application/octet-stream": {"schema": _BYTES}}}}

Key = Annotated[str, Path(max_length=512)]
Expiry = Annotated[int, Query(ge=0, le=LATEST)]
Signature = Annotated[str, Query(min_length=1, max_length=128)]


@router.post("/v1/uploads", access=WRITES, status_code=201)
async def begin_upload(body: UploadRequest, caller: Caller, session: Write, parts: Parts) -> UploadRead:
    announced = Announcement(**body.model_dump())
    file = uploads.begin_upload(session, parts.settings, caller.user_id, announced, parts.runtime.clock.now())
    expires_at = int(time.time()) + parts.settings.upload_url_seconds
    return UploadRead(
        file_id=file.id,
        method="PUT",
        urls=[parts.runtime.storage.signed_url("PUT", file.key, expires_at=expires_at)],
        headers={"Content-Type": file.content_type},
        expires_at=datetime.fromtimestamp(expires_at, UTC),
    )


@router.post("/v1/uploads/{file_id:uuid}/complete", access=WRITES)
async def complete_upload(file_id: UUID, caller: Caller, parts: Parts) -> MediaRead:
    """Look at what arrived. Opening it takes a while, so no transaction is open meanwhile."""
    database = parts.runtime.database
    async with database.read() as session:
        file = await repository.get_upload(session, caller.user_id, file_id)
    if file.status == "PENDING":
        key, found = await uploads.examine(parts.runtime.storage, parts.settings, file)
        async with database.write() as session:
            file = await uploads.finish_upload(session, file, key, found)
    return MediaRead(file_id=file.id, media=file.media or {})


@router.put("/v1/files/{key:path}", access=public, status_code=204)
async def receive_file(key: Key, exp: Expiry, sig: Signature, request: Request, parts: Parts) -> None:
    """Takes the bytes of an announced upload. The signature is the permission."""
    _check_signature(parts, "PUT", key, exp, sig)
    async with parts.runtime.database.read() as session:
        file = await uploads.get_expected(session, key)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > file.size:
        raise UploadTooLarge(f"{file.size} bytes were announced.")
    await uploads.receive(parts.runtime.storage, file, request.stream())


@router.get("/v1/files/{key:path}", access=public, response_class=StreamingResponse, responses=_FILE)
async def send_file(
    key: Key,
    exp: Expiry,
    sig: Signature,
    session: Read,
    parts: Parts,
    range_: Annotated[str, Header(alias="Range", max_length=100)] = "",
) -> Response:
    """Sends a file, or the part of it that a Range header asks for. The signature is the permission."""
    _check_signature(parts, "GET", key, exp, sig)
    file = await repository.find_file_by_key(session, key)
    if file is None or file.status == "PENDING":
        raise FileNotFound
    if file.status == "GONE" or (file.expires_at and file.expires_at <= parts.runtime.clock.now()):
        raise ResultGone
    return _sent(parts, file, range_)


def _check_signature(parts: JobsParts, method: str, key: str, exp: int, sig: str) -> None:
    if not parts.runtime.storage.allows(method, key, expires_at=exp, signature=sig):
        raise FileUrlNotGenuine


def _sent(parts: JobsParts, file: File, asked: str) -> Response:
    headers = {
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(file.filename, safe='')}",
        "Cache-Control": "private, max-age=600",
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
        # A picture never needs scripts; a file that turns out to be a page must not run any.
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    span = _span(asked, file.size)
    if span is None:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{file.size}"})
    start, end = span
    headers["Content-Length"] = str(end - start)
    partial = (start, end) != (0, file.size)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    pieces: AsyncIterator[bytes] = parts.runtime.storage.stream(file.key, start=start, end=end)
    return StreamingResponse(pieces, 206 if partial else 200, headers, file.content_type)


def _span(asked: str, size: int) -> tuple[int, int] | None:
    """The bytes a Range header asks for, from and without; all of them for what we don't understand, None when it
    lies outside the file."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return 0, size
    first, last = found.groups()
    if first is None:
        return max(0, size - int(last)), size
    end = min(size, int(last) + 1) if last else size
    return (int(first), end) if int(first) < end else None
