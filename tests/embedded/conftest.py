"""Places for embedded servers: as whoever runs the tests and, when that is root, as an ordinary user too."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.postgres_programs import NOBODY
from tests.embedded.stages import Stage, prepared

USERS = [None, NOBODY] if os.geteuid() == 0 else [None]


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A short path that every user may reach: pytest's own temporary folders are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="atelier-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=USERS, ids=lambda uid: "as_an_ordinary_user" if uid else "as_we_are")
def stage(request: pytest.FixtureRequest, public_folder: Path) -> Iterator[Stage]:
    stage = prepared(public_folder, request.param)
    yield stage
    stage.close()


@pytest.fixture
def own_stage(public_folder: Path) -> Iterator[Stage]:
    stage = prepared(public_folder, None)
    yield stage
    stage.close()
