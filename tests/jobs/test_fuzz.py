"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import status_code_conformance

from services.jobs.app import service
from shared.identity import IDENTITY_HEADER
from tests.support.callers import identity_token
from tests.support.jobs import claimed, grant_plan, jobs_service, ordered, served, settle, someone

EXAMPLES = 25
ENDLESS = "/v1/jobs/events"
OPERATIONS = sorted((route.path_format, method) for route in service.router.routes.routes for method in route.methods)


@pytest_asyncio.fixture(scope="module")
async def fuzzed():
    user_id = someone()
    async with jobs_service(extra_tools="tests.support.job_tools", pool_size=8) as svc, served(svc) as url:
        await grant_plan(svc, user_id)
        async with svc.client(user_id) as client:
            await ordered(client)
            await settle(svc, await claimed(svc))
        async with httpx.AsyncClient(base_url=url) as client:
            document = (await client.get("/internal/openapi.json")).json()
        yield schemathesis.openapi.from_dict(document), url, user_id


@pytest.mark.parametrize(("path", "method"), [entry for entry in OPERATIONS if entry[0] != ENDLESS])
async def test_any_input_gets_a_documented_answer(fuzzed, path, method):
    schema, url, user_id = fuzzed
    await asyncio.to_thread(_fuzz, schema[path][method], url, user_id)


def _fuzz(operation, url, user_id):
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
        if case.headers is not None:
            # Waiting is right, and would only make this slow.
            case.headers.pop("Prefer", None)
        headers = {IDENTITY_HEADER: identity_token("jobs", user_id, roles=["user", "admin"])}
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=[not_a_server_error, status_code_conformance])

    call()
