"""How long the tools themselves take, warm as a runner's child finds them: without queue, fork and upload."""

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.board import Figure, percentile
from bench.settings import Settings
from services.jobs.engines import TOOLS, InputFile, warm

MEME_P95_MS = 150.0
CAPTIONS = "When the render is done | before the coffee is"


@dataclass
class Run:
    """A context as a runner's child has it."""

    workdir: Path
    seed: int = 1
    inputs: list[InputFile] = field(default_factory=list)

    def progress(self, percent: int, stage: str) -> None:
        del percent, stage


def measure(settings: Settings) -> list[Figure]:
    warm()
    meme = Figure("J6", "meme of 1080 pixels with its file, p95", "ms", "the limit", 1, less_is_better=True)
    for _ in range(settings.runs):
        times = [_meme(seed) for seed in range(max(5, settings.samples // 5))]
        meme.add(percentile(times, 0.95), MEME_P95_MS)
    return [meme]


def _meme(seed: int) -> float:
    """Milliseconds."""
    tool = TOOLS["memes"]
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        began = time.perf_counter()
        tool.run(Run(Path(folder), seed), CAPTIONS, tool.options())
        return (time.perf_counter() - began) * 1000
