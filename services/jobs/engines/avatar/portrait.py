"""A round portrait with rays around it that follow the sound: it works with every picture, as it moves none."""

import math
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from services.jobs.engines import framing
from services.jobs.engines.speech.voices import RATE as VOICE_RATE

_RAYS = 72
_LOWEST, _HIGHEST = 120, 5000  # Hertz of the first and the last band.
_BANDS = _RAYS // 2
_MIDDLE = 0.43  # Of the height: captions stand below.
_RADIUS, _GAP, _LONGEST = 0.27, 0.018, 0.12  # Shares of the shorter side.


def ground(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The picture in a circle over a soft enlargement of itself."""
    behind = framing.filled(picture, (size[0] // 8, size[1] // 8)).filter(ImageFilter.GaussianBlur(9))
    page = Image.blend(behind.resize(size, Image.Resampling.BICUBIC), Image.new("RGB", size, "#0c0c14"), 0.45)
    side = round(2 * _RADIUS * min(size))
    round_ = framing.filled(picture, (side, side), "top")
    framing.paste_rounded(page, round_, ((size[0] - side) // 2, round(size[1] * _MIDDLE - side / 2)), side // 2)
    ImageDraw.Draw(page).ellipse(_around(size, side / 2 + 3), outline="#ffffff", width=6)
    return page


def _around(size: tuple[int, int], radius: float) -> tuple[float, float, float, float]:
    x, y = size[0] / 2, size[1] * _MIDDLE
    return (x - radius, y - radius, x + radius, y + radius)


def spectra(voice: Any, count: int, rate: int) -> Any:
    """How long each ray is at each frame, from 0 to 1; both halves of the circle show the same."""
    window = VOICE_RATE // 12
    hop = VOICE_RATE // rate
    padded = np.pad(voice, (window // 2, window + max(0, count * hop - len(voice))))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, window)[: count * hop : hop][:count]
    power = np.abs(np.fft.rfft(pieces * np.hanning(window), axis=1))
    edges = np.geomspace(_LOWEST, _HIGHEST, _BANDS + 1) * window / VOICE_RATE
    centres = (edges[:-1] + edges[1:]) / 2
    levels = np.array([np.interp(centres, np.arange(power.shape[1]), row) for row in power])
    levels = np.sqrt(levels / max(1e-6, float(np.percentile(levels, 99))))
    return np.clip(_falling(levels), 0, 1)


def _falling(levels: Any) -> Any:
    """Rays rise at once and sink slowly, as the needle of a meter does."""
    done = levels.copy()
    for number in range(1, len(done)):
        done[number] = np.maximum(levels[number], done[number - 1] * 0.82)
    return done


def with_rays(page: Any, levels: Any, colour: tuple[int, int, int]) -> Any:
    """One frame, laid out as `film.planes` says."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    made = page.copy()
    height, width = page.shape[:2]
    short = min(width, height)
    inner, thick = (_RADIUS + _GAP) * short, max(4, round(short * 0.011))
    for ray in range(_RAYS):
        level = float(levels[ray if ray < _BANDS else _RAYS - 1 - ray])
        angle = math.pi / 2 + 2 * math.pi * (ray + 0.5) / _RAYS
        ends = [
            (round(width / 2 + reach * math.cos(angle)), round(height * _MIDDLE + reach * math.sin(angle)))
            for reach in (inner, inner + short * (0.006 + _LONGEST * level))
        ]
        cv2.line(made, ends[0], ends[1], colour, thick, cv2.LINE_AA)
    return cv2.cvtColor(made, cv2.COLOR_RGB2YUV_I420)
