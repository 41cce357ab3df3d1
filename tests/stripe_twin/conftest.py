from calendar import monthrange
from collections.abc import Iterator
from datetime import timedelta

import pytest

from deploy.embedded.processes import free_port
from shared.clock import ManualClock
from tests.stripe_twin.bench import Bench, running_bench

LATEST_DAY, LONG_MONTH = 20, 31


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
    _begin_where_months_are_long(_bench.clock)
    _bench.control("reset")
    _bench.receiver.clear()
    _bench.problems.clear()
    _bench.receiver.problems.clear()
    yield _bench
    assert sorted(set(_bench.problems + _bench.receiver.problems)) == []


def _begin_where_months_are_long(clock: ManualClock) -> None:
    """Tests tell time in days, so none may begin where its month ends early, as after the 28th or in February."""
    now = clock.now()
    begin = now
    while begin.day > LATEST_DAY or monthrange(begin.year, begin.month)[1] < LONG_MONTH:
        begin = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
    clock.advance((begin - now).total_seconds())
