import asyncio
import os
import socket
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.chat import begin_answer, chat_service, finished, listen, over_http, start

PAGE = os.sysconf("SC_PAGESIZE")
READERS, DELTAS, DELTA_BYTES = 60, 2000, 1000


async def test_readers_that_do_not_read_cost_no_memory_and_do_not_slow_who_reads():
    """R14: sixty readers of a log of two megabytes; held whole for each of them it would take more than 120."""
    async with chat_service(items=1, word_seconds=30) as svc, over_http(svc) as visitor, AsyncExitStack() as idle:
        message_id = await begin_answer(visitor, await start(visitor))
        await svc.rows(LONG_LOG, id=message_id, deltas=DELTAS, size=DELTA_BYTES)
        path = f"/v1/chat/messages/{message_id}/stream?after=0"
        before = resident_bytes()
        for _ in range(READERS):
            idle.enter_context(idle_reader(visitor, path))
        async with asyncio.timeout(60):
            while readers_of(svc, message_id) < READERS:  # noqa: ASYNC110 - they arrive when the sockets are accepted
                await asyncio.sleep(0.05)
            # Connections to the database are lent first come, first served: all of them have looked when this is over.
            read = 0
            async for told in listen(visitor, path):
                read += told.name == "message.delta"
                if read == DELTAS:
                    break
        assert readers_of(svc, message_id) >= READERS
        assert resident_bytes() - before < 40_000_000


LONG_LOG = """
    INSERT INTO chat_stream_chunks (message_id, n, delta)
    SELECT %(id)s, n, repeat('x', %(size)s) FROM generate_series(1, %(deltas)s) n RETURNING n
"""


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def readers_of(svc, message_id):
    waiting = svc.runtime.parts.announcements._waiting
    return sum(len(readers) for answer, readers in waiting.items() if str(answer) == message_id)


@contextmanager
def idle_reader(client, path):
    """A connection that asks for the stream and never reads a byte of it."""
    url = urlsplit(str(client.base_url))
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect((url.hostname, url.port))
        lines = [f"GET {path} HTTP/1.1", f"Host: {url.netloc}", *(f"{name}: {client.headers[name]}" for name in SHOWN)]
        idle.sendall("\r\n".join([*lines, "", ""]).encode())
        yield


SHOWN = ["X-Chat-Session"]


async def test_readers_that_do_not_read_do_not_slow_the_author():
    swift = {"word_seconds": 0.005, "coalesce_seconds": 0.005, "items": 1}
    async with chat_service(**swift) as svc, over_http(svc) as visitor, AsyncExitStack() as idle:
        message_id = await begin_answer(visitor, await start(visitor))
        for _ in range(30):
            idle.enter_context(idle_reader(visitor, f"/v1/chat/messages/{message_id}/stream"))
        async with asyncio.timeout(20):
            assert (await finished(visitor, message_id))["status"] == "COMPLETE"
