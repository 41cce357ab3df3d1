"""Where a user is still to be found in a service's database, by its catalogue: no new table can be forgotten."""

from typing import Any
from uuid import UUID

from tests.support.services import RunningService

_COLUMNS = """
    SELECT c.table_name AS t, c.column_name AS c FROM information_schema.columns c
      JOIN information_schema.tables USING (table_schema, table_name)
     WHERE c.table_schema = 'public' AND c.data_type = 'uuid' AND table_type = 'BASE TABLE'
"""


async def traces_of(svc: RunningService, user_id: UUID | Any) -> set[str]:
    """The columns of ids, as `table.column`, that hold the user's."""
    found = set()
    for column in await svc.rows(_COLUMNS):
        query = f'SELECT 1 AS n FROM "{column["t"]}" WHERE "{column["c"]}" = %(user)s LIMIT 1'
        if await svc.rows(query, user=user_id):
            found.add(f"{column['t']}.{column['c']}")
    return found
