"""Single pictures out of a film."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from services.jobs.engines.film.probing import MICROSECONDS, ONLY_FILES
from services.jobs.engines.protocol import InputFile, InvalidInput

# A cover is judged on small copies: the choice needs shapes and light, not detail.
JUDGED_SIDE = 256


def frames_at(film: InputFile, moments: Sequence[float]) -> list[Image.Image]:
    """The pictures that are shown at these moments, the right way up. Raises InvalidInput where there is none."""
    import av  # noqa: PLC0415 - of the engines' own packages

    try:
        with av.open(str(film.path), format=film.media["demuxer"], options=ONLY_FILES) as container:
            container.streams.video[0].thread_type = "AUTO"
            return [_shown(container, moment) for moment in moments]
    except av.FFmpegError:
        raise InvalidInput("The film is damaged.", "UNSUPPORTED_MEDIA", field="input_files") from None


def _shown(container: Any, seconds: float) -> Image.Image:
    """Seek to the key frame before, then decode up to the frame whose time has come."""
    stream, shown = container.streams.video[0], None
    container.seek(int(seconds * MICROSECONDS))
    for frame in container.decode(stream):
        if frame.time is not None and frame.time > seconds and shown is not None:
            break
        shown = frame
        if frame.time is not None and frame.time >= seconds:
            break
    if shown is None:
        raise InvalidInput("The film has no picture there.", field="options.at_seconds")
    image: Image.Image = shown.to_image()
    return image.rotate(shown.rotation, expand=True) if shown.rotation else image


def appeal(image: Image.Image) -> float:
    """How well a picture would do as a cover: sharp, neither dark nor blown out, with something in it."""
    small = image.convert("L")
    small.thumbnail((JUDGED_SIDE, JUDGED_SIDE))
    grey = np.asarray(small, dtype=np.float32) / 255
    edges = float(np.abs(np.diff(grey, axis=0)).mean() + np.abs(np.diff(grey, axis=1)).mean())
    light = 1 - abs(float(grey.mean()) - 0.5) * 2
    return edges * (0.2 + light) * (0.05 + float(grey.std()))
