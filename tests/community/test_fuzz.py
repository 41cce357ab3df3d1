"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import status_code_conformance

from services.community.app import service
from services.community.seed import seed
from shared.identity import IDENTITY_HEADER
from shared.ids import new_id
from tests.support.callers import identity_token
from tests.support.loopback import listening_socket, served
from tests.support.services import running_service

EXAMPLES = 15
OPERATIONS = sorted((route.path, method) for route in service.router.routes.routes for method in route.methods)


@pytest.fixture(scope="module")
async def fuzzed():
    limits = {"topics_per_hour": 10**6, "comments_per_hour": 10**6, "clicks_per_hour": 10**6}
    async with running_service(service, **limits) as svc:
        await seed(svc.runtime)
        async with served(svc.app, listening_socket()) as url, httpx.AsyncClient(base_url=url) as client:
            document = (await client.get("/internal/openapi.json")).json()
            yield schemathesis.openapi.from_dict(document), url, new_id()


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
async def test_any_input_gets_a_documented_answer(fuzzed, path, method):
    schema, url, staff = fuzzed
    await asyncio.to_thread(_fuzz, schema[path][method], url, staff)


def _fuzz(operation, url, staff):
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
    def call(case):
        headers = {IDENTITY_HEADER: identity_token("community", staff, roles=["user", "admin"])}
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=[not_a_server_error, status_code_conformance])

    call()
