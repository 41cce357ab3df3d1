from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.jobs.engines import InputFile, warm


@dataclass
class Run:
    """A context as the runner gives it; remembers what was reported."""

    workdir: Path
    seed: int = 1
    inputs: list[InputFile] = field(default_factory=list)
    reported: list[tuple[int, str]] = field(default_factory=list)

    def progress(self, percent: int, stage: str) -> None:
        self.reported.append((percent, stage))


@pytest.fixture(scope="session", autouse=True)
def _warm() -> None:
    warm()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)
