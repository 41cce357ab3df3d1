import pytest

from tests.support.platform import running_platform

TOPOLOGIES = {"embedded": (), "services": ("--services",)}


@pytest.fixture(scope="session", params=["embedded", pytest.param("services", marks=pytest.mark.services)])
def platform(request, tmp_path_factory):
    """The platform in each topology; the same stories must hold on both."""
    home = tmp_path_factory.mktemp(request.param) / "home"
    with running_platform(home, *TOPOLOGIES[request.param]) as running:
        yield running
