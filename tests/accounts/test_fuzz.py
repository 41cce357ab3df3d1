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

from services.accounts.app import service
from services.accounts.usecases import create_admin
from shared.identity import IDENTITY_HEADER
from tests.support.accounts import CHEAP
from tests.support.callers import identity_token
from tests.support.loopback import listening_socket, served
from tests.support.services import running_service

EXAMPLES = 25
OPERATIONS = sorted((route.path, method) for route in service.router.routes.routes for method in route.methods)


@pytest.fixture(scope="module")
async def fuzzed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    limits = {"principal_burst": 10**6, **CHEAP}
    async with running_service(service, keys_folder=str(folder), fingerprint_secret="fuzz", **limits) as svc:
        async with svc.runtime.database.write() as session:
            given_settings = {"now": svc.clock.now(), "settings": svc.runtime.settings}
            admin = await create_admin(session, "admin@example.com", "correct horse 42 b", **given_settings)
        async with served(svc.app, listening_socket()) as url, httpx.AsyncClient(base_url=url) as client:
            document = (await client.get("/internal/openapi.json")).json()
            yield schemathesis.openapi.from_dict(document), url, admin


@pytest.mark.parametrize(("path", "method"), [entry for entry in OPERATIONS if entry[0] != "/_verify"])
async def test_any_input_gets_a_documented_answer(fuzzed, path, method):
    schema, url, admin = fuzzed
    await asyncio.to_thread(_fuzz, schema[path][method], url, admin)


def _fuzz(operation, url, admin):
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
        headers = {IDENTITY_HEADER: identity_token("accounts", admin, roles=["user", "admin"])}
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=[not_a_server_error, status_code_conformance])

    call()
