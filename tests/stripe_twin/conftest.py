from collections.abc import Iterator

import pytest

from deploy.embedded.processes import free_port
from tests.stripe_twin.bench import Bench, running_bench


def pytest_configure(config: pytest.Config) -> None:
    """The SDK hands its form to httpx in a way that httpx has renamed; that is between the two."""
    config.addinivalue_line("filterwarnings", "ignore:Use 'content=<...>' to upload raw:DeprecationWarning")


@pytest.fixture(scope="session")
def _bench() -> Iterator[Bench]:
    with running_bench(free_port()) as bench:
        yield bench


@pytest.fixture
def twin(_bench: Bench) -> Iterator[Bench]:
    """An empty twin. At the end every object it returned or told of must have fitted the SDK's own types."""
    _bench.control("reset")
    _bench.receiver.clear()
    _bench.problems.clear()
    _bench.receiver.problems.clear()
    yield _bench
    assert sorted(set(_bench.problems + _bench.receiver.problems)) == []
