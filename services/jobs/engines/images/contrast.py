"""Contrast as WCAG 2.2 defines it, measured on the pixels behind the letters, and scrims where it falls short."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from services.jobs.engines import typeset
from services.jobs.engines.typeset import Block

REQUIRED = 4.5  # WCAG 2.2, success criterion 1.4.3.
_AIM = 4.7  # A little above, so that rounding to eight bits and lossy encoding stay over the line.
_HALO = 5  # Pixels around the letters that count as behind them; odd, as the filter wants.
_STEPS = (0.0, 0.2, 0.35, 0.5, 0.62, 0.74, 0.86, 0.94, 1.0)

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Readable:
    """A text colour and the worst contrast it has against any pixel behind its letters."""

    colour: str
    ratio: float


def luminance(pixels: Floats) -> Floats:
    """Relative luminance of sRGB values from 0 to 255 in the last axis."""
    scaled = np.asarray(pixels, dtype=np.float32) / 255
    linear = np.where(scaled <= 0.04045, scaled / 12.92, ((scaled + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def between(first: Floats, second: Floats) -> Floats:
    """Contrast ratio of two luminances, 1 to 21, whichever is lighter."""
    return (np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05)


def worst(image: Image.Image, block: Block, colour: str) -> float:
    """The lowest ratio of `colour` against the pixels that the block's letters will cover or touch."""
    behind = _behind(image, block)
    return _worst(behind, colour)


def _worst(behind: Floats, colour: str) -> float:
    if not len(behind):
        return 21.0
    own = luminance(np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32))
    return float(between(luminance(behind), own).min())


def _region(image: Image.Image, block: Block, margin: int) -> tuple[int, int, int, int]:
    ink = block.ink
    return (
        max(0, int(ink.x) - margin),
        max(0, int(ink.y) - margin),
        min(image.width, int(ink.right) + margin + 1),
        min(image.height, int(ink.bottom) + margin + 1),
    )


def _behind(image: Image.Image, block: Block) -> Floats:
    region = _region(image, block, _HALO)
    mask = typeset.coverage(block, image.size).crop(region).filter(ImageFilter.MaxFilter(_HALO))
    return np.asarray(image.crop(region).convert("RGB"), dtype=np.float32)[np.asarray(mask) > 0]


def make_readable(image: Image.Image, block: Block, colours: tuple[str, ...], grounds: tuple[str, str]) -> Readable:
    """Choose the first of `colours` that reads well here; if none does, shade the picture behind the letters.

    `grounds` are a light and a dark colour that the shade may take. Changes `image`. The ratio returned is measured
    after the change.
    """
    behind = _behind(image, block)
    for colour in colours:
        if _worst(behind, colour) >= _AIM:
            return Readable(colour, _worst(behind, colour))
    colour = max(colours[-2:], key=lambda candidate: _typical(behind, candidate))
    ground = max(grounds, key=lambda candidate: _against(candidate, colour))
    return _shaded(image, block, colour, ground)


def _typical(behind: Floats, colour: str) -> float:
    own = luminance(np.array(ImageColor.getrgb(colour)[:3], dtype=np.float32))
    return float(np.median(between(luminance(behind), own)))


def _against(first: str, second: str) -> float:
    pair = luminance(np.array([ImageColor.getrgb(first)[:3], ImageColor.getrgb(second)[:3]], dtype=np.float32))
    return float(between(pair[0], pair[1]))


def _shaded(image: Image.Image, block: Block, colour: str, ground: str) -> Readable:
    blur = max(8, round(block.size * 0.45))
    region = _region(image, block, blur * 4)
    original = image.crop(region)
    soft = _soft_mask(region, block, blur)
    for strength in _STEPS:
        shade = Image.new("RGB", original.size, ground)
        scaled = soft.point([round(value * strength) for value in range(256)])
        image.paste(Image.composite(shade, original, scaled), region[:2])
        ratio = worst(image, block, colour)
        if ratio >= _AIM:
            break
    return Readable(colour, ratio)


def _soft_mask(region: tuple[int, int, int, int], block: Block, blur: int) -> Image.Image:
    """Full strength over the ink and a blur around it that has faded out before the region ends."""
    mask = Image.new("L", (region[2] - region[0], region[3] - region[1]), 0)
    left, top = block.ink.x - region[0] - 2 * blur, block.ink.y - region[1] - 2 * blur
    corners = (left, top, left + block.ink.width + 4 * blur, top + block.ink.height + 4 * blur)
    ImageDraw.Draw(mask).rounded_rectangle(corners, radius=2 * blur, fill=255)
    return mask.filter(ImageFilter.GaussianBlur(blur * 0.8))
