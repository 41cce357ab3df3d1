"""Small films and sounds, made by the same program that the engines use."""

import subprocess
from pathlib import Path

from services.jobs.engines import extras

# A red second, a test picture's second, a black second: what is where can be told from any frame.
PARTS = "color=c=red:s={size}:r=10:d=1[a];testsrc=s={size}:r=10:d=1[b];color=c=black:s={size}:r=10:d=1[c];"
JOINED = "[a][b][c]concat=n=3:v=1:a=0"


def ffmpeg(*arguments: str) -> None:
    """Run the engines' ffmpeg; what it says goes into the error."""
    extras.join()
    import imageio_ffmpeg  # noqa: PLC0415 - of the engines' own packages

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def film(path: Path, *, size: str = "128x72", sound: bool = True, options: tuple[str, ...] = ()) -> Path:
    """Three seconds at ten frames: red, a test picture, black; with a tone unless told otherwise."""
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=3") if sound else ()
    ffmpeg("-f", "lavfi", "-i", PARTS.format(size=size) + JOINED, *tone, "-pix_fmt", "yuv420p", *options, str(path))
    return path


def tone(path: Path, *, seconds: float = 2, frequency: int = 440) -> Path:
    ffmpeg("-f", "lavfi", "-i", f"sine=frequency={frequency}:duration={seconds}", str(path))
    return path
