"""Sound files of other kinds than WAV."""

import subprocess
from pathlib import Path


def write_mp3(wav: Path, mp3: Path) -> None:
    """Encode a WAV of ours at the best of MP3's variable rates that speech needs."""
    import imageio_ffmpeg  # noqa: PLC0415 - of the engines' own packages

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y", "-f", "wav", "-i", str(wav)]
    subprocess.run(  # noqa: S603 - our own program and our own paths
        [*command, "-map_metadata", "-1", "-c:a", "libmp3lame", "-q:a", "2", "-f", "mp3", str(mp3)], check=True
    )
