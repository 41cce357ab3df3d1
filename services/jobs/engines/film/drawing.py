"""Films whose every frame we draw: frames go to ffmpeg as they are made, with a sound of ours beside them."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from services.jobs.engines import ffmpeg
from services.jobs.engines.protocol import OutputFile

# Drawing leaves the encoder half of the processor. Beside plain `superfast` these take a fifth to a third less of it,
# at the same likeness to the frames (SSIM) and about as many bytes: what moves slowly gains nothing from their search.
QUICK = ("-preset", "superfast", "-x264-params", "subme=0:weightp=0:b-adapt=0")
# What OpenCV's conversion makes, said in the file so that players show the same colours.
_COLOURS = ("-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")


def write_film(
    path: Path,
    frames: Iterable[Any],
    wav: Path,
    *,
    size: tuple[int, int],
    rate: int,
    count: int,
    done: Callable[[float], None],
) -> OutputFile:
    """Encode `count` frames, laid out as `planes` says, as they come. Raises FfmpegFailed."""
    raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", str(rate), "-i", "pipe:0")
    arguments = [
        *raw,
        *ffmpeg.source(wav, "wav"),
        *ffmpeg.H264,
        *QUICK,
        *_COLOURS,
        *ffmpeg.AAC,
        "-f",
        "mp4",
        str(path),
    ]
    with ffmpeg.fed(arguments, path.parent) as pipe:
        for number, frame in enumerate(frames, 1):
            pipe.write(frame.data)
            if number % rate == 0:
                done(number / count)
    return OutputFile(path, path.name, "video", "video/mp4", *size, round(count / rate, 3))
