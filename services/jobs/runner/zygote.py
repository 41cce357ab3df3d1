"""The warm parent: a small, single-threaded process that has the engines loaded and forks a child for each job.

It reads orders from its standard input, a JSON object a line, and reports on its standard output. The runner's event
loop never forks: a fork of a process with threads may inherit a lock that nobody will ever release. When the runner
dies, its end of the pipe closes and everything started here is killed, grandchildren too.

`python -m services.jobs.runner.zygote [extra tools module]`
"""

import contextlib
import gc
import os
import selectors
import signal
import sys
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.jobs.catalogue import open_catalogue
from services.jobs.engines import warm
from services.jobs.engines.protocol import Tool
from services.jobs.runner import child
from services.jobs.runner.processes import die_with_parent, kill_session, start_ticks

READ_BYTES = 65536


@dataclass
class Child:
    """A forked child, its session's id being its pid, and the pipe it reports through."""

    key: str
    pid: int
    pipe: int
    unread: bytes = field(default=b"")


class Zygote:
    def __init__(self, tools: dict[str, Tool]) -> None:
        self._tools = tools
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        self._orders = b""
        self._signals, wakeup = os.pipe()
        for end in (self._signals, wakeup, sys.stdin.fileno()):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._selector.register(self._signals, selectors.EVENT_READ)

    def serve(self) -> None:
        """Work until the runner closes our standard input."""
        _say({"event": "ready", "pid": os.getpid()})
        while True:
            for ready, _ in self._selector.select():
                self._on_readable(ready.fd)

    def _on_readable(self, end: int) -> None:
        if end == sys.stdin.fileno():
            self._read_orders()
        elif end == self._signals:
            os.read(self._signals, READ_BYTES)
            self._bury()
        elif found := next((entry for entry in self._children.values() if entry.pipe == end), None):
            self._forward(found)

    def _read_orders(self) -> None:
        data = os.read(sys.stdin.fileno(), READ_BYTES)
        if not data:
            self._end()
        *lines, self._orders = (self._orders + data).split(b"\n")
        for line in lines:
            order = orjson.loads(line)
            self._fork(order) if "tool" in order else self._signal(order)

    def _fork(self, order: dict[str, Any]) -> None:
        receiving, sending = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(receiving)
            child.live(order, self._tools, sending, parent)
        os.close(sending)
        os.set_blocking(receiving, False)
        self._children[pid] = Child(order["key"], pid, receiving)
        self._selector.register(receiving, selectors.EVENT_READ)
        _say({"key": order["key"], "event": "started", "pid": pid, "start_ticks": start_ticks(pid)})

    def _signal(self, order: dict[str, Any]) -> None:
        for entry in self._children.values():
            if entry.key == order["key"]:
                try:
                    os.killpg(entry.pid, order["signal"])
                except ProcessLookupError:
                    # Just forked: its session is not its own yet. Not reaped, so the pid is still its own.
                    os.kill(entry.pid, order["signal"])

    def _forward(self, entry: Child) -> bool:
        """Pass on what the child wrote. Returns whether there may be more."""
        try:
            data = os.read(entry.pipe, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(entry.pipe)
            return False
        *lines, entry.unread = (entry.unread + data).split(b"\n")
        for line in lines:
            _say({"key": entry.key, **orjson.loads(line)})
        return True

    def _bury(self) -> None:
        """Report every child that has ended, after killing what it left behind.

        The group is killed before the child is reaped: until then its pid, and so the group's id, is nobody else's.
        """
        for entry in list(self._children.values()):
            ended = os.waitid(os.P_PID, entry.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(entry.pid, signal.SIGKILL)
            clean = ended.si_code == os.CLD_EXITED and ended.si_status == 0
            if not clean:
                kill_session(entry.pid)
            _, status, used = os.wait4(entry.pid, 0)
            self._report_end(entry, status, used)

    def _report_end(self, entry: Child, status: int, used: Any) -> None:
        while entry.pipe in self._selector.get_map() and self._forward(entry):
            pass
        if entry.pipe in self._selector.get_map():
            self._selector.unregister(entry.pipe)
        os.close(entry.pipe)
        del self._children[entry.pid]
        _say(
            {
                "key": entry.key,
                "event": "ended",
                "code": os.waitstatus_to_exitcode(status),
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
                "max_rss_mb": used.ru_maxrss // 1024,
            }
        )

    def _end(self) -> None:
        """The runner is gone: nobody would settle what we go on with."""
        for entry in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(entry.pid, signal.SIGKILL)
            kill_session(entry.pid)
        os._exit(0)


def _say(message: dict[str, Any]) -> None:
    line = orjson.dumps(message) + b"\n"
    try:
        while line:
            line = line[os.write(1, line) :]
    except BrokenPipeError:
        # The runner is gone; the end of our input says the same, and cleans up.
        return


def main() -> None:
    die_with_parent(signal.SIGTERM)
    catalogue = open_catalogue(sys.argv[1] if len(sys.argv) > 1 else "")
    warm()
    gc.collect()
    # What was loaded is shared with every child; a collection that touched it would copy it page by page.
    gc.freeze()
    Zygote({**catalogue.shipped, **catalogue.extra}).serve()


if __name__ == "__main__":
    main()
