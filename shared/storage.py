"""Files: a folder or any S3-compatible store behind one API, and the signatures of our own file URLs."""

import base64
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

from obstore.store import LocalStore, ObjectStore, from_url

CHUNK_BYTES = 1024 * 1024


class Storage:
    """Objects by key. Keys are ours, never a user's file name."""

    def __init__(self, store: ObjectStore, *, public_url: str, secret: str, folder: Path | None = None) -> None:
        self.store, self.folder = store, folder
        self._public_url, self._secret = public_url.rstrip("/"), secret.encode()

    async def put(self, key: str, content: bytes | Path | AsyncIterator[bytes]) -> None:
        """Store the content; readers see all of it or nothing."""
        await self.store.put_async(key, content)

    async def read(self, key: str) -> bytes:
        """The whole object. Raises FileNotFoundError."""
        return bytes(await (await self.store.get_async(key)).bytes_async())

    async def stream(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The object's bytes from `start` up to and without `end`. Raises FileNotFoundError."""
        stop = end if end is not None else await self.size(key)
        for offset in range(start, stop, CHUNK_BYTES):
            piece = await self.store.get_range_async(key, start=offset, end=min(offset + CHUNK_BYTES, stop))
            yield bytes(piece)

    async def size(self, key: str) -> int:
        """Bytes of the object. Raises FileNotFoundError."""
        return int((await self.store.head_async(key))["size"])

    async def delete(self, key: str) -> None:
        """Remove the object; one that is already gone is fine."""
        try:
            await self.store.delete_async(key)
        except FileNotFoundError:
            return

    async def list(self, prefix: str) -> list[str]:
        return [entry["path"] async for page in self.store.list(prefix) for entry in page]

    def signed_url(self, method: str, key: str, *, expires_at: int) -> str:
        """An absolute URL that allows `method` on the key until `expires_at` (Unix seconds, wall time)."""
        signature = self._sign(method, key, expires_at)
        return f"{self._public_url}/v1/files/{quote(key)}?exp={expires_at}&sig={signature}"

    def allows(self, method: str, key: str, *, expires_at: int, signature: str) -> bool:
        """Whether the signature is ours, for this method and key, and not expired."""
        genuine = hmac.compare_digest(signature.encode(), self._sign(method, key, expires_at).encode())
        return genuine and time.time() < expires_at

    def _sign(self, method: str, key: str, expires_at: int) -> str:
        mac = hmac.digest(self._secret, f"file\0{method}\0{key}\0{expires_at}".encode(), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def open_storage(location: str, *, public_url: str, secret: str) -> Storage:
    """`location` is a folder or an object-store URL such as `s3://bucket/prefix`."""
    if "://" in location:
        return Storage(from_url(location), public_url=public_url, secret=secret)
    folder = Path(location)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = LocalStore(folder, automatic_cleanup=True)
    return Storage(store, public_url=public_url, secret=secret, folder=folder)
