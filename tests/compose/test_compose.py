"""The whole platform in containers, built from the Dockerfile and started by the real `docker compose`."""

from pathlib import Path

import pytest

from tests.compose.engine import ROOT, Engine

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]
HERE = Path(__file__).parent


def test_a_creators_whole_journey_passes_on_docker_compose_up():
    engine = Engine(ROOT / ".atelier" / "containers")
    engine.prepare()
    engine.run("bash", HERE / "build.sh", seconds=1800)
    told = engine.play(HERE / "journey.sh", seconds=900)
    assert "The commission was taken back" in told
