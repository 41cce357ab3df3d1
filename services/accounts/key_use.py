"""When each API key was last used: noted in memory and written now and then, since a write per request is dear."""

from datetime import datetime

from shared.database import Database

_WRITE = """
    UPDATE api_keys k SET last_used_at = GREATEST(k.last_used_at, used.at)
      FROM unnest(%s::text[], %s::timestamptz[]) AS used(id, at) WHERE k.id = used.id
"""


class KeyUse:
    def __init__(self) -> None:
        self._used: dict[str, datetime] = {}

    def note(self, key_id: str | None, now: datetime) -> None:
        if key_id is not None:
            self._used[key_id] = now

    async def write(self, database: Database) -> int:
        """Write what was noted since the last time; returns how many keys."""
        used, self._used = self._used, {}
        if used:
            async with database.pool.connection() as connection:
                await connection.execute(_WRITE, (list(used), list(used.values())))
        return len(used)
