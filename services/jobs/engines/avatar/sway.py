"""A head is never still: it leans slowly, and rises a little with the voice."""

from collections.abc import Callable
from math import cos, pi, sin
from typing import Any

import numpy as np

from services.jobs.engines.avatar.faces import Face
from services.jobs.engines.avatar.mouths import loudness
from services.jobs.engines.film import planes
from services.jobs.engines.speech.performance import Performance

Sway = Callable[[Any, int], Any]

_LEAN = ((0.012, 5.3), (0.005, 1.9))  # Radians, and seconds there and back.
# Of a drawn figure, which moves as a whole: how much larger it is shown, so that no edge comes into sight, and pixels
# that it rises at most.
_GROWN, _RISE = 1.03, 9
# Of a photo, in widths of the mouth: the head's half width and half height with its hair, how far above the mouth its
# middle is and below it the neck that it turns on, and how far it rises. What is further than `_FADES` times as far
# from its middle is still.
_HEAD, _MIDDLE, _NECK, _LIFT, _FADES = (1.9, 2.5), 1.0, 1.5, 0.07, 1.7
_STILL_EDGE = 0.06  # Of the frame's shorter side: what stands at an edge must not be pulled in.
_COARSE = 4  # The field changes slowly, so it is computed for every fourth pixel.


def whole(played: Performance, size: tuple[int, int]) -> Sway:
    """All of the frame moves."""
    levels = _calm(loudness(played.voice, played.count, played.rate))
    pivot = (size[0] / 2, size[1] * 0.9)

    def swayed(frame: Any, number: int) -> Any:
        turned = _turned(number / played.rate, pivot, _GROWN, -_RISE * levels[number])
        return planes.moved(frame, turned, size)

    return swayed


def head(played: Performance, face: Face, size: tuple[int, int]) -> Sway:
    """The head moves and takes its surroundings along a little; what is far from it stays where it is."""
    levels = _calm(loudness(played.voice, played.count, played.rate))
    pivot, weight = (face.x, face.y + _NECK * face.width), _weight(face, size)

    def swayed(frame: Any, number: int) -> Any:
        turned = _turned(number / played.rate, pivot, 1.0, -_LIFT * face.width * levels[number])
        return planes.bent(frame, _field(turned, weight))

    return swayed


def _turned(time: float, pivot: tuple[float, float], grown: float, lift: float) -> Any:
    turn = sum(angle * sin(2 * pi * time / period) for angle, period in _LEAN)
    (x, y), a, b = pivot, grown * cos(turn), grown * sin(turn)
    return np.array([[a, b, x - a * x - b * y], [-b, a, y + b * x - a * y + lift]])


def _weight(face: Face, size: tuple[int, int]) -> Any:
    """How much each coarse pixel moves with the head, from 0 to 1."""
    rows, columns = np.mgrid[0 : size[1] : _COARSE, 0 : size[0] : _COARSE].astype(np.float32)
    wide, high = (half * face.width for half in _HEAD)
    far = np.hypot((columns - face.x) / wide, (rows - face.y + _MIDDLE * face.width) / high)
    near = np.clip((_FADES - far) / (_FADES - 1), 0, 1)
    edge = np.minimum.reduce([columns, size[0] - _COARSE - columns, rows, size[1] - _COARSE - rows])
    inner = np.clip(edge / (_STILL_EDGE * min(size)), 0, 1)
    return _eased(near) * _eased(inner)


def _eased(share: Any) -> Any:
    return share * share * (3 - 2 * share)


def _field(turned: Any, weight: Any) -> Any:
    """How far from its place each coarse pixel's colour comes, in pixels: across and down."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    back = cv2.invertAffineTransform(turned) - np.array([[1, 0, 0], [0, 1, 0]])
    rows, columns = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]].astype(np.float32) * _COARSE
    return [(weight * (line[0] * columns + line[1] * rows + line[2])).astype(np.float32) for line in back]


def _calm(levels: Any) -> Any:
    """Loudness over a third of a second."""
    window = np.hanning(12)
    return np.convolve(levels, window[1:-1] / window.sum(), "same")
