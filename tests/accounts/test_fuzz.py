"""Whatever a client sends to any documented route, it gets a documented answer and never a 500."""

import asyncio

import pytest

from services.accounts.app import service
from services.accounts.usecases import create_admin
from tests.support.accounts import CHEAP
from tests.support.fuzzing import fuzzed, operations_of
from tests.support.services import running_service


@pytest.fixture(scope="module")
async def target(tmp_path_factory):
    values = {"keys_folder": str(tmp_path_factory.mktemp("keys")), "fingerprint_secret": "fuzz", **CHEAP}
    async with running_service(service, principal_burst=10**6, **values) as svc:
        async with svc.runtime.database.write() as session:
            given_settings = {"now": svc.clock.now(), "settings": svc.runtime.settings}
            admin = await create_admin(session, "admin@example.com", "correct horse 42 b", **given_settings)
        async with fuzzed(svc, admin) as found:
            yield found


@pytest.mark.parametrize(("path", "method"), operations_of(service, without=["/_verify"]))
async def test_any_input_gets_a_documented_answer(target, path, method):
    await asyncio.to_thread(target.fuzz, path, method)
