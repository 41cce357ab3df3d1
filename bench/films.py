"""How fast the tools make films: seconds of film a second, each beside plain ffmpeg encoding the very same film."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.board import Figure
from bench.settings import Settings
from bench.tools import Run
from deploy.engines.install import install
from services.jobs.engines import TOOLS, InputFile, extras, ffmpeg, warm
from services.jobs.engines.film.drawing import QUICK
from services.jobs.engines.film.probing import probe_film

REEL_PACE = 2.0
SCRIPT = "Good mornings are made the evening before. Write down three things, then sleep."
WORDS = "before | after"
TIMES = [{"end": 1}, {"start": 1}]
FILM = (*ffmpeg.H264, "-c:a", "copy", "-f", "mp4")
DRAWN_FILM = (*ffmpeg.H264, *QUICK, "-c:a", "copy", "-f", "mp4")
LOOP = ("-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse", "-f", "gif")
EDIT = {
    "shape": "9:16",
    "clips": [{"end": 1}, {"start": 1, "transition": "crossfade"}],
    "texts": [{"text": "Open at seven", "start": 0.5, "end": 4, "place": "top"}],
}


@dataclass(frozen=True, eq=False)
class Video:
    """A tool with what it is given, and how plain ffmpeg encodes what it makes. `of_a_reel`: the reel is its input."""

    tool: str
    what: str
    encoding: Sequence[str]
    prompt: str | None = None
    options: dict[str, Any] | None = None
    of_a_reel: bool = True


REEL = Video("reels", "reel 1080x1920", DRAWN_FILM, SCRIPT, of_a_reel=False)
VIDEOS = (
    REEL,
    Video("avatar", "avatar 1080x1080", DRAWN_FILM, SCRIPT, of_a_reel=False),
    Video("subtitles", "captions burned into 1080x1920", FILM, options={"burn_in": True}),
    Video("gif", "GIF, 480 wide, of 1080x1920", LOOP, options={"fps": 10}),
    Video("memes", "meme that moves, GIF 600x600", LOOP, WORDS, {"format": "gif"}, of_a_reel=False),
    Video("memes", "meme that moves, MP4 1080x1080", FILM, WORDS, {"format": "mp4"}, of_a_reel=False),
    Video("memes", "captions that come and go on 1080x1920", FILM, WORDS, {"times": TIMES}),
    Video("memes", "captions on 1080x1920, GIF 480 wide", LOOP, WORDS, {"format": "gif", "size": 480}),
    Video("avatar", "portrait in a ring 1080x1080", DRAWN_FILM, SCRIPT, {"look": "portrait"}, of_a_reel=False),
    Video("video-editor", "two clips, crossfade and text, 1080x1920", FILM, options=EDIT),
)


def measure(settings: Settings) -> list[Figure]:
    """Installs the engines' packages at first."""
    warm()
    install()
    extras.join()
    limit = Figure("J7", _called(REEL), "x", "the limit", 1)
    figures = {video: Figure("J7", _called(video), "x", "plain ffmpeg encoding that film") for video in VIDEOS}
    for seed in range(min(settings.runs, 3)):
        with _folder() as folder:
            reel = folder / "reel.mp4"
            for video, figure in figures.items():
                ours, theirs = _paces(video, reel, seed, settings.words)
                figure.add(ours, theirs)
                if video is REEL:
                    limit.add(ours, REEL_PACE)
    return [limit, *figures.values()]


def _called(video: Video) -> str:
    return f"{video.what}, seconds of film a second"


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder:
        yield Path(folder)


def _paces(video: Video, reel: Path, seed: int, words: int) -> tuple[float, float]:
    """Seconds of film a second: ours, and plain ffmpeg's. Of the prompt, so many words are said.

    The reel is kept in its place for those that come after.
    """
    tool = TOOLS[video.tool]
    with _folder() as folder:
        given = [InputFile(reel, probe_film(reel, "video/mp4"))] if video.of_a_reel else []
        options = tool.options.model_validate(video.options or {})
        prompt = " ".join((video.prompt or "").split()[:words]) or None
        began = time.perf_counter()
        [made, *_] = tool.run(Run(folder, seed, given), prompt, options).files
        ours = time.perf_counter() - began
        length = made.duration or 0
        theirs = _encode(made.path, video.encoding)
        if video is REEL:
            made.path.replace(reel)
    return length / ours, length / theirs


def _encode(film: Path, encoding: Sequence[str]) -> float:
    demuxer = "gif" if film.suffix == ".gif" else "mov"
    began = time.perf_counter()
    ffmpeg.run([*ffmpeg.source(film, demuxer), *encoding, "plain"], film.parent)
    return time.perf_counter() - began
