"""How long the tools themselves take, warm as a runner's child finds them: without queue, fork and upload."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.board import Figure, percentile
from bench.settings import Settings
from deploy.engines.install import install
from services.jobs.engines import TOOLS, InputFile, extras, ffmpeg, warm
from services.jobs.engines.protocol import OutputFile

MEME_P95_MS, REEL_PACE = 150.0, 2.0
CAPTIONS = "When the render is done | before the coffee is"
SCRIPT = "Good mornings are made the evening before. Write down three things, then sleep."
# As films that are drawn frame by frame are encoded.
QUICK_PRESET = ("-preset", "superfast")


@dataclass
class Run:
    """A context as a runner's child has it."""

    workdir: Path
    seed: int = 1
    inputs: list[InputFile] = field(default_factory=list)

    def progress(self, percent: int, stage: str) -> None:
        del percent, stage


def measure(settings: Settings) -> list[Figure]:
    """Installs the engines' packages at first."""
    warm()
    meme = Figure("J6", "meme of 1080 pixels with its file, p95", "ms", "the limit", 1, less_is_better=True)
    for _ in range(settings.runs):
        times = [_meme(seed) for seed in range(max(5, settings.samples // 5))]
        meme.add(percentile(times, 0.95), MEME_P95_MS)
    install()
    extras.join()
    return [meme, *_reels(settings)]


def _meme(seed: int) -> float:
    """Milliseconds."""
    with _made("memes", CAPTIONS, seed) as (seconds, _):
        return seconds * 1000


def _reels(settings: Settings) -> list[Figure]:
    """How many seconds of a 1080x1920 film are made in one, and in how many plain ffmpeg encodes the very same one."""
    pace = Figure("J7", "reel 1080x1920, seconds of film a second", "x", "the limit", 1)
    encoding = Figure("J7", "reel 1080x1920, seconds of film a second", "x", "plain ffmpeg encoding that film")
    for seed in range(min(settings.runs, 3)):
        with _made("reels", SCRIPT, seed) as (seconds, film):
            length = film.duration or 0
            pace.add(length / seconds, REEL_PACE)
            encoding.add(length / seconds, length / _encode(film.path))
    return [pace, encoding]


def _encode(film: Path) -> float:
    began = time.perf_counter()
    settings = (*ffmpeg.H264, *QUICK_PRESET, "-c:a", "copy", "-f", "mp4")
    ffmpeg.run([*ffmpeg.source(film, "mov"), *settings, "plain.mp4"], film.parent)
    return time.perf_counter() - began


@contextmanager
def _made(tool_id: str, prompt: str, seed: int) -> Iterator[tuple[float, OutputFile]]:
    """The seconds that a tool took with its default options, and what it made."""
    tool = TOOLS[tool_id]
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        began = time.perf_counter()
        [file, *_] = tool.run(Run(Path(folder), seed), prompt, tool.options()).files
        yield time.perf_counter() - began, file
