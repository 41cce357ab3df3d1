"""Writing finished pictures: the formats on offer and how each is encoded."""

from pathlib import Path
from typing import Any, Literal

from PIL import Image

from services.jobs.engines.protocol import OutputFile

Format = Literal["png", "jpeg", "webp"]

# Fast settings: a job spends its time on drawing, and the last few per cent of size cost more than all of that.
_ENCODING: dict[str, dict[str, Any]] = {
    "png": {"compress_level": 2},
    "jpeg": {"quality": 90, "subsampling": 0},
    "webp": {"quality": 88, "method": 1},
}
_SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def save(image: Image.Image, workdir: Path, stem: str, form: Format) -> OutputFile:
    """Write a picture into the work folder; it carries no metadata of the picture it was made from.

    An RGBA picture keeps its transparency, except as JPEG, which has none.
    """
    name = stem + _SUFFIX[form]
    path = workdir / name
    clean = image.convert("RGBA" if image.mode == "RGBA" and form != "jpeg" else "RGB")
    clean.info = {}
    clean.save(path, format=form.upper(), **_ENCODING[form])
    return OutputFile(path, name, "image", f"image/{form}", image.width, image.height)
