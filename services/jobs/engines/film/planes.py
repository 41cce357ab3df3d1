"""Frames as films keep them: brightness in full, two differences of colour at half the size (I420).

Whatever moves or blends whole frames does it on half the bytes this way, and nothing is left to convert at the end.
"""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

# "#808080" in each plane.
_GREY = (126, 128, 128)


class Planes(NamedTuple):
    """Views into one frame: what is written into them is in the frame."""

    light: Any
    blue: Any
    red: Any


def of_picture(picture: Image.Image) -> Any:
    """A frame of an opaque picture, whose sides must be even: `height * 3 / 2` rows of `width` bytes."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    return cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2YUV_I420)


def blank(size: tuple[int, int]) -> Any:
    return np.empty((size[1] * 3 // 2, size[0]), np.uint8)


def planes(frame: Any) -> Planes:
    rows, width = frame.shape
    height = rows * 2 // 3
    size, flat = (height // 2, width // 2), frame.reshape(-1)
    whole, part = height * width, height * width // 4
    return Planes(frame[:height], *(flat[at : at + part].reshape(size) for at in (whole, whole + part)))


def moved(frame: Any, matrix: Any, size: tuple[int, int]) -> Any:
    """A frame of `size` that shows another through an affine map (source to target, in pixels), between pixels too."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    made = blank(size)
    for number, (source, target) in enumerate(zip(planes(frame), planes(made), strict=True)):
        own = np.array(matrix, dtype=float)
        own[:, 2] *= 0.5 if number else 1.0
        cv2.warpAffine(source, own, target.shape[::-1], target, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    return made


def bent(frame: Any, field: Any) -> Any:
    """The frame, each pixel's colour taken from so far away: `field` is across and down, in pixels, coarsely."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    made = np.empty_like(frame)
    for number, (source, target) in enumerate(zip(planes(frame), planes(made), strict=True)):
        size, scale = target.shape[::-1], 0.5 if number else 1.0
        across, down = (cv2.resize(part * scale, size, interpolation=cv2.INTER_LINEAR) for part in field)
        across += np.arange(size[0], dtype=np.float32)
        down += np.arange(size[1], dtype=np.float32)[:, None]
        cv2.remap(source, across, down, cv2.INTER_LINEAR, target, cv2.BORDER_REPLICATE)
    return made


class Overlay:
    """A picture with transparent parts, made ready to be laid onto many frames at the same even place."""

    def __init__(self, picture: Image.Image, place: tuple[int, int]) -> None:
        ground = Image.new("RGBA", picture.size, "#808080")
        colours = planes(of_picture(Image.alpha_composite(ground, picture)))
        alpha = picture.getchannel("A")
        half = alpha.resize((picture.width // 2, picture.height // 2), Image.Resampling.BOX)
        self._place = place
        masks = (alpha, half, half)
        self._layers = [_layer(*layer) for layer in zip(colours, masks, _GREY, strict=True)]

    def onto(self, frame: Any) -> None:
        import cv2  # noqa: PLC0415 - of the engines' own packages

        for number, (plane, (ink, keeps)) in enumerate(zip(planes(frame), self._layers, strict=True)):
            x, y = (side // (2 if number else 1) for side in self._place)
            part = plane[y : y + ink.shape[0], x : x + ink.shape[1]]
            part[:] = cv2.add(cv2.multiply(part, keeps, scale=1 / 255), ink)


def _layer(plane: Any, mask: Image.Image, grey: int) -> tuple[Any, Any]:
    """What the picture adds to a plane, and how many 255ths it keeps of it; the ground's share is taken off again."""
    keeps = 255 - np.asarray(mask).astype(np.int16)
    ink = plane.astype(np.int16) - grey * keeps // 255
    return np.clip(ink, 0, 255).astype(np.uint8), np.ascontiguousarray(keeps.astype(np.uint8))
