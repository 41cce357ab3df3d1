import pytest

from tests.support.accounts import running_accounts


@pytest.fixture
async def svc(tmp_path):
    async with running_accounts(tmp_path / "keys") as running:
        yield running


@pytest.fixture(scope="module")
async def shared_svc(tmp_path_factory):
    """For tests that each bring users of their own and look at nobody else's."""
    async with running_accounts(tmp_path_factory.mktemp("keys")) as running:
        yield running


@pytest.fixture
def accounts(tmp_path):
    """Accounts with settings of the test's own: `async with accounts(limits={…}) as svc`."""

    def run(**settings):
        return running_accounts(tmp_path / "keys", **settings)

    return run
