"""Sound files of other kinds than WAV."""

from pathlib import Path

from services.jobs.engines import ffmpeg


def write_mp3(wav: Path, mp3: Path) -> None:
    """Encode a WAV of ours at a variable rate that speech and music lose nothing by."""
    ffmpeg.run([*ffmpeg.source(wav, "wav"), "-c:a", "libmp3lame", "-q:a", "2", "-f", "mp3", str(mp3)], mp3.parent)
