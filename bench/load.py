"""A closed loop of HTTP load: each connection sends its next request when the last is answered."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import httptools

from bench.board import percentile


@dataclass(frozen=True, slots=True)
class Load:
    """Answered requests a second, and the latencies' 50th and 99th percentiles in milliseconds."""

    rate: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def bytes_for(self, host: str) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class _Answers(asyncio.Protocol):
    """One connection; `again` is called with each answer's status."""

    def __init__(self, requests: Iterator[bytes], until: float, latencies: list[float]) -> None:
        self._requests, self._until, self._latencies = requests, until, latencies
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._sent = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        status = self._parser.get_status_code()
        if status >= 400:  # noqa: PLR2004 - an error answered quickly is no work done
            self._end(RuntimeError(f"the load was answered {status}"))
            return
        self._latencies.append(now - self._sent)
        if now < self._until:
            asyncio.get_running_loop().call_soon(self._send)
        else:
            self._end(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(error or ConnectionError("the server closed the connection"))

    def _end(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(error) if error else self.over.set_result(None)
            self._transport.close()


async def load(port: int, requests: list[Request], *, connections: int, seconds: float) -> Load:
    """Send the requests in turn over so many connections to a port of this machine. Raises RuntimeError on an error."""
    prepared = cycle([request.bytes_for(f"127.0.0.1:{port}") for request in requests])
    latencies: list[float] = []
    loop, began = asyncio.get_running_loop(), time.perf_counter()
    opened = [
        await loop.create_connection(lambda: _Answers(prepared, began + seconds, latencies), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.over for _, protocol in opened))
    took = time.perf_counter() - began
    return Load(len(latencies) / took, 1000 * percentile(latencies, 0.5), 1000 * percentile(latencies, 0.99))
