import pytest

from tests.support.accounts import running_accounts


@pytest.fixture
async def svc(tmp_path):
    async with running_accounts(tmp_path / "keys") as running:
        yield running


@pytest.fixture
def accounts(tmp_path):
    """Accounts with settings of the test's own: `async with accounts(limits={…}) as svc`."""

    def run(**settings):
        return running_accounts(tmp_path / "keys", **settings)

    return run
