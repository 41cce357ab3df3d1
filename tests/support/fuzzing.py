"""Whatever a client sends to a documented route, it gets a documented answer and never a 500."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import status_code_conformance

from shared.identity import IDENTITY_HEADER
from shared.service import Service
from tests.support.callers import identity_token
from tests.support.loopback import listening_socket, served
from tests.support.services import RunningService

EXAMPLES = 15


@dataclass(frozen=True)
class Fuzzed:
    """A service behind real HTTP, called by one member of staff."""

    name: str
    schema: Any
    url: str
    caller: UUID

    def fuzz(self, path: str, method: str, *, without: Collection[str] = ()) -> None:
        """Send valid and invalid requests; headers named in `without` are left out. Raises what was found."""
        operation = self.schema[path][method]
        modes = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
            derandomize=True,
        )
        @given(case=st.one_of(modes))
        def call(case: Any) -> None:
            for header in without if case.headers else ():
                case.headers.pop(header, None)
            headers = {IDENTITY_HEADER: identity_token(self.name, self.caller, roles=["user", "admin"])}
            response = case.call(base_url=self.url, headers=headers)
            case.validate_response(response, checks=[not_a_server_error, status_code_conformance])

        call()


@asynccontextmanager
async def fuzzed(svc: RunningService, caller: UUID) -> AsyncIterator[Fuzzed]:
    async with served(svc.app, listening_socket()) as url, httpx.AsyncClient(base_url=url) as client:
        document = (await client.get("/internal/openapi.json")).json()
        yield Fuzzed(svc.service.name, schemathesis.openapi.from_dict(document), url, caller)


def operations_of(service: Service, *, without: Collection[str] = ()) -> list[tuple[str, str]]:
    """(path, method) of all the service's routes, without some paths."""
    routes = service.router.routes
    return sorted(
        (route.path_format, method) for route in routes for method in route.methods if route.path not in without
    )
