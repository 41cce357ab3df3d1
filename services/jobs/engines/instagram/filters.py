"""The looks: a curve for each channel, a strength of colour and a contrast."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageEnhance

Curve = tuple[float, float]  # Where black and white end up, in parts of full brightness.


@dataclass(frozen=True)
class Look:
    """`red`, `green`, `blue` lift or lower a channel; 1.0 leaves `colour` and `contrast` as they are."""

    red: Curve = (0.0, 1.0)
    green: Curve = (0.0, 1.0)
    blue: Curve = (0.0, 1.0)
    colour: float = 1.0
    contrast: float = 1.0


LOOKS: dict[str, Look] = {
    "none": Look(),
    "warm": Look(red=(0.03, 1.05), green=(0.01, 1.0), blue=(0.0, 0.86), colour=1.08),
    "cool": Look(red=(0.0, 0.9), green=(0.0, 0.99), blue=(0.06, 1.05), colour=0.96),
    "vivid": Look(colour=1.45, contrast=1.12),
    "fade": Look(red=(0.14, 0.96), green=(0.12, 0.94), blue=(0.15, 0.92), colour=0.72, contrast=0.9),
    "mono": Look(colour=0.0, contrast=1.1),
    "noir": Look(colour=0.0, contrast=1.5),
}


def filtered(picture: Image.Image, name: str) -> Image.Image:
    """An RGB picture in this look; `none` gives back the very picture."""
    look = LOOKS[name]
    if look == Look():
        return picture
    if look.colour != 1.0:
        picture = ImageEnhance.Color(picture).enhance(look.colour)
    if look.contrast != 1.0:
        picture = ImageEnhance.Contrast(picture).enhance(look.contrast)
    table = [step for curve in (look.red, look.green, look.blue) for step in map(_level(curve), range(256))]
    return picture.point(table)


def _level(curve: Curve) -> Callable[[int], int]:
    black, white = curve
    return lambda value: min(255, max(0, round((black + (white - black) * value / 255) * 255)))
