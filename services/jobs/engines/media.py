"""Opening pictures from strangers: what they are is read from the bytes, never from their name."""

import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from services.jobs.engines.protocol import InvalidInput

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_BYTES = 30 * 1024 * 1024
MAX_PIXELS = 50_000_000  # Pillow warns above this and raises above twice this; both are refused.
MAX_EDGE = 16_000
MAX_MOVING_PIXELS = 150_000_000  # Of all frames of an animated picture together: noise takes five seconds to decode.
# Browsers don't believe in frames of a hundredth of a second, and show them for a tenth of one.
_TOO_FAST, _INSTEAD = 10, 100
_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
_CONTENT_TYPES = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
_QUARTER_TURNS = {5, 6, 7, 8}  # EXIF orientations that swap width and height.
_EXIF_ORIENTATION = 0x0112


def probe_image(path: Path, content_type: str | None = None) -> dict[str, Any]:
    """Describe a picture as it is meant to be seen: width and height are those after the EXIF turn.

    Decodes every pixel once, so a truncated file is found here and not in the middle of a job. What moves has
    `frames` and, unless it is immense, a `duration` in seconds. A name or a
    `content_type` that says another image format than the bytes do is refused. Raises InvalidInput.
    """
    with opened(path) as image:
        name = image.format or ""
        _refuse_disguise(path, content_type, name)
        _decode(image)
        frames = getattr(image, "n_frames", 1)
        turned = image.getexif().get(_EXIF_ORIENTATION) in _QUARTER_TURNS
        width, height = reversed(image.size) if turned else image.size
        moving = _looked_through(image, frames) if frames > 1 else {}
    size = {"width": width, "height": height}
    return {"kind": "image", "format": name.lower(), **size, "animated": frames > 1, **moving}


def _looked_through(image: Image.Image, frames: int) -> dict[str, Any]:
    """How many frames there are, and the seconds that they take as browsers play them.

    Too many pixels in all are not decoded: their seconds are left out, and no tool plays them.
    """
    if frames * image.width * image.height > MAX_MOVING_PIXELS:
        return {"frames": frames}
    milliseconds = 0
    for number in range(frames):
        _decode(image, number)
        milliseconds += stay_of(image)
    return {"frames": frames, "duration": milliseconds / 1000}


def stay_of(frame: Image.Image) -> int:
    """How long browsers show this frame of an animated picture, in milliseconds; known once it is decoded."""
    stay = int(frame.info.get("duration", 0))
    return stay if stay > _TOO_FAST else _INSTEAD


def open_picture(path: Path) -> Image.Image:
    """The picture as RGB or RGBA, the right way up, first frame only. Raises InvalidInput."""
    with opened(path) as image:
        _decode(image)
        return _eight_bit(ImageOps.exif_transpose(image))


def opened(path: Path) -> Image.Image:
    """The file as Pillow sees it, nothing decoded yet. Raises InvalidInput."""
    _refuse_size_on_disk(path)
    # The limit is Pillow's only switch for bombs and it is global; setting it is idempotent.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except UnidentifiedImageError:
        raise InvalidInput("The file is not a PNG, JPEG, WebP or GIF picture.", "UNSUPPORTED_MEDIA") from None
    except (OSError, ValueError, SyntaxError, EOFError):
        raise _damaged() from None
    if max(image.size) > MAX_EDGE:
        image.close()
        raise _too_large()
    return image


def _refuse_size_on_disk(path: Path) -> None:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InvalidInput(f"The picture is larger than {MAX_BYTES // 1024 // 1024} MB.", "INPUT_TOO_LARGE")
    if size == 0:
        raise InvalidInput("The picture file is empty.", "UNSUPPORTED_MEDIA")


def _refuse_disguise(path: Path, content_type: str | None, found: str) -> None:
    claims = {_SUFFIXES.get(path.suffix.lower()), _CONTENT_TYPES.get((content_type or "").lower())} - {None}
    if claims - {found}:
        claimed = ", ".join(sorted(str(claim) for claim in claims - {found}))
        raise InvalidInput(f"The file says it is {claimed} but its content is {found}.", "UNSUPPORTED_MEDIA")


def _decode(image: Image.Image, frame: int = 0) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image.seek(frame)
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except (OSError, ValueError, SyntaxError, EOFError, IndexError):
        raise _damaged() from None


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _rescaled(image).convert("RGB")
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("RGB")


def _rescaled(image: Image.Image) -> Image.Image:
    """Sixteen-bit greys hold 0 to 65535; a plain convert would clip nearly all of them to white."""
    wide = image.convert("F")
    scale = 255 / 65535 if image.mode.startswith("I") else 255.0
    return wide.point(lambda value: value * scale + 0).convert("L")


def _too_large() -> InvalidInput:
    return InvalidInput(f"The picture has more than {MAX_PIXELS // 1_000_000} megapixels.", "INPUT_TOO_LARGE")


def _damaged() -> InvalidInput:
    return InvalidInput("The picture is damaged or incomplete.", "UNSUPPORTED_MEDIA")
