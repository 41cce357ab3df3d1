"""Domain time: every rule about days and periods asks a clock, never the operating system."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current domain time, timezone-aware UTC."""
        ...


class SystemClock:
    """Wall time, for production."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class OffsetClock:
    """Wall time plus an offset in seconds kept in a file, so that every local process moves together.

    The file is read again only when it changes; advancing replaces it atomically.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at_ns = -1
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._current_offset()

    def advance(self, seconds: float) -> datetime:
        """Move the domain time of every process that shares the file; returns the new time."""
        offset = self._current_offset() + timedelta(seconds=seconds)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(str(offset.total_seconds()))
        draft.replace(self._path)
        return self.now()

    def _current_offset(self) -> timedelta:
        try:
            changed_at_ns = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return timedelta()
        if changed_at_ns != self._read_at_ns:
            self._offset = timedelta(seconds=float(self._path.read_text()))
            self._read_at_ns = changed_at_ns
        return self._offset


class ManualClock:
    """Time that moves only when a test says so."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> datetime:
        self._now += timedelta(seconds=seconds)
        return self._now
