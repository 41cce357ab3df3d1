"""Running ffmpeg: a process in our own session, so that it ends with the job, and its progress as a share of the whole.

Inputs are files of ours, and nothing else can be opened. Nothing that a user wrote belongs into an argument: texts go
into files with names of our own.
"""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from services.jobs.engines.protocol import InvalidInput

# For an H.264 film that every player opens and that plays while it is loaded.
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "21", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
AAC = ("-c:a", "aac", "-b:a", "160k", "-ar", "48000")
_QUIET = ("-nostdin", "-hide_banner", "-v", "error", "-nostats", "-y", "-filter_threads", "2")
_NO_TRACE = ("-map_metadata", "-1", "-map_chapters", "-1", "-threads", "2")
# How it ends when most of what it decoded was broken (`-max_error_rate`), and when nothing could be read at all
# (AVERROR_INVALIDDATA, of which the system keeps the last byte).
_UNDECODABLE = {69, 183}


class FfmpegFailed(RuntimeError):
    """It ended with an error; what it said is in the job's log."""


def source(path: Path, demuxer: str) -> list[str]:
    """The arguments of an input, opened as what it was probed to be and as nothing else."""
    return ["-protocol_whitelist", "file,pipe", "-f", demuxer, "-i", str(path)]


def run(
    arguments: Sequence[str], folder: Path, *, seconds: float = 0, done: Callable[[float], None] = lambda _share: None
) -> None:
    """Run to the end in `folder`. `done` is told the share of `seconds` of output that is made.

    Raises InvalidInput for an input that is damaged behind where the probe looked, FfmpegFailed for anything else. When
    `done` raises, ffmpeg is killed first: it would else be waited for.
    """
    command = [program(), *_QUIET, "-progress", "pipe:1", *arguments[:-1], *_NO_TRACE, arguments[-1]]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None
        try:
            for share in _shares(process.stdout, seconds):
                done(share)
        except BaseException:
            process.kill()
            raise
    if process.returncode in _UNDECODABLE:
        raise InvalidInput("The file is damaged.", "UNSUPPORTED_MEDIA", field="input_files")
    _refuse_failure(process.returncode)


def _shares(reported: Iterable[str], seconds: float) -> Iterator[float]:
    for line in reported:
        name, _, value = line.strip().partition("=")
        if name == "out_time_us" and value.isdigit() and seconds:
            yield min(1.0, int(value) / 1_000_000 / seconds)


def _refuse_failure(code: int) -> None:
    if code:
        raise FfmpegFailed(f"ffmpeg ended with {code}")


@contextmanager
def fed(arguments: Sequence[str], folder: Path) -> Iterator[IO[bytes]]:
    """Run while raw frames are written into what is given; the file is whole after the block. Raises FfmpegFailed."""
    command = [program(), *_QUIET[1:], *arguments[:-1], *_NO_TRACE, arguments[-1]]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE) as process:  # noqa: S603 - our own program
        assert process.stdin is not None
        try:
            yield process.stdin
        except BrokenPipeError:
            process.wait()
        except BaseException:
            process.kill()
            raise
    _refuse_failure(process.returncode)


@cache
def program() -> str:
    import imageio_ffmpeg  # noqa: PLC0415 - of the engines' own packages

    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path
