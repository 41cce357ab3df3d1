import pytest

from tests.support.platform import running_platform

TOPOLOGIES = {"embedded": (), "services": ("--services",)}


# A process takes all tests of a topology where tests are given out by groups.
PARAMS = [
    pytest.param("embedded", marks=pytest.mark.xdist_group("embedded")),
    pytest.param("services", marks=[pytest.mark.xdist_group("services"), pytest.mark.services]),
]


@pytest.fixture(scope="session", params=PARAMS)
def platform(request, tmp_path_factory):
    """The platform in each topology; the same stories must hold on both. Requests are logged in both, to be read."""
    home = tmp_path_factory.mktemp(request.param) / "home"
    with running_platform(home, *TOPOLOGIES[request.param], ATELIER_LOG_LEVEL="INFO") as running:
        yield running
