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
        times = [_milliseconds("memes", CAPTIONS, seed) for seed in range(max(5, settings.samples // 5))]
        meme.add(percentile(times, 0.95), MEME_P95_MS)
    return [meme]


def _milliseconds(tool_id: str, prompt: str, seed: int) -> float:
    tool = TOOLS[tool_id]
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        began = time.perf_counter()
        made = tool.run(Run(Path(folder), seed), prompt, tool.options())
        taken = time.perf_counter() - began
        if not all(file.path.stat().st_size for file in made.files):
            raise RuntimeError(f"{tool_id} made an empty file")
    return taken * 1000
