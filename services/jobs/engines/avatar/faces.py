"""Where a photo's mouth and eyes are, found by OpenCV's classic detectors and by the redness of lips."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from services.jobs.engines.protocol import InvalidInput

_SEARCHED = 480  # Pixels of the longer side of the copy in which a face is looked for.
# Where a mouth is in the box that the detector draws around a face, and how wide.
_MOUTH_AT, _MOUTH_WIDE = 0.79, 0.36
_LEAST_SCORE = 2.0
# Rows and columns in which eyes are looked for, as shares of the face's box; each eye has a half of its own.
_EYE_ROWS, _EYE_COLUMNS = (0.2, 0.56), (0.1, 0.9)
# An eye's own half width and half height in its detector's box; two eyes differ in height by less than the last.
_EYE_WIDE, _EYE_HIGH, _LEVEL = 0.36, 0.14, 0.09
# How much redder a lip is than what is above it, of 255, before it is believed to be one.
_LIP_STANDS_OUT = 5.0
_BOTH_LIPS = 0.75  # A lip is at least so red beside the redder one: of the two, the lower is meant.
_TEETH_SHINE = 12.0  # How much lighter than the skin teeth are, of 255.
_RISES = 0.2  # How far the line of the lips rises towards a corner at most, half way there, in widths of the mouth.


@dataclass(frozen=True)
class Eye:
    """The middle of an eye, half its width and half its height when it is open, in pixels."""

    x: float
    y: float
    wide: float
    high: float


@dataclass(frozen=True)
class Face:
    """The middle of the line where lips part, the mouth's width, and how far the line's ends are above its middle.

    `shows_teeth`: the photo has its own. All in pixels of the picture; `eyes` are two, or none where it isn't sure.
    """

    x: float
    y: float
    width: float
    curve: float = 0.0
    shows_teeth: bool = False
    eyes: tuple[Eye, ...] = ()

    def seen(self, scale: float, left: float, top: float) -> "Face":
        """The same face in a picture that was scaled, then cut at this corner."""
        eyes = tuple(Eye(e.x * scale - left, e.y * scale - top, e.wide * scale, e.high * scale) for e in self.eyes)
        x, y = self.x * scale - left, self.y * scale - top
        return replace(self, x=x, y=y, width=self.width * scale, curve=self.curve * scale, eyes=eyes)


def find_face(picture: Image.Image) -> Face:
    """The surest face. Raises InvalidInput where none is seen."""
    small = picture.convert("RGB")
    small.thumbnail((_SEARCHED, _SEARCHED))
    boxes, scores = _detected(np.asarray(small.convert("L")), "haarcascade_frontalface_default.xml", 40)
    # The largest box is often no face at all; the surest one is.
    if not len(boxes) or max(scores) < _LEAST_SCORE:
        raise InvalidInput(
            "No face was found that looks straight ahead; say where its mouth is in options.mouth.", field="input_files"
        )
    scale = picture.width / small.width
    x, y, side, height = (float(value) * scale for value in boxes[int(np.argmax(scores))])
    mouth = Face(x + side / 2, y + height * _MOUTH_AT, side * _MOUTH_WIDE)
    return replace(with_lips(picture, mouth), eyes=_eyes(picture, x, y, side))


def _detected(grey: Any, cascade: str, least: int) -> tuple[Any, Any]:
    import cv2  # noqa: PLC0415 - of the engines' own packages

    detector = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / cascade))
    found = detector.detectMultiScale3(
        grey, scaleFactor=1.1, minNeighbors=4, minSize=(least, least), outputRejectLevels=True
    )
    return found[0], found[2]


def _eyes(picture: Image.Image, x: float, y: float, side: float) -> tuple[Eye, ...]:
    """Both eyes, or none: one that blinks alone, or a brow that does, is worse than a stare."""
    middle, (first, last) = x + side / 2, _EYE_COLUMNS
    halves = ((x + side * first, middle), (middle, x + side * last))
    found = [_eye(picture, half, (y + side * _EYE_ROWS[0], y + side * _EYE_ROWS[1]), side) for half in halves]
    left, right = found
    if left is None or right is None or abs(left.y - right.y) > side * _LEVEL:
        return ()
    wide, high = (left.wide + right.wide) / 2, (left.high + right.high) / 2
    return tuple(replace(eye, wide=wide, high=high) for eye in (left, right))


def _eye(picture: Image.Image, columns: tuple[float, float], rows: tuple[float, float], side: float) -> Eye | None:
    part = picture.crop((round(columns[0]), round(rows[0]), round(columns[1]), round(rows[1]))).convert("L")
    # The detector was trained on eyes of twenty pixels: a larger copy costs time and finds no more.
    scale = min(1.0, 120 / max(part.size))
    part = part.resize((max(1, round(part.width * scale)), max(1, round(part.height * scale))))
    boxes, scores = _detected(np.asarray(part), "haarcascade_eye.xml", 16)
    if not len(boxes):
        return None
    x, y, wide, high = (float(value) / scale for value in boxes[int(np.argmax(scores))])
    if not 0.14 * side < wide < 0.42 * side:
        return None
    return Eye(columns[0] + x + wide / 2, rows[0] + y + high / 2, wide * _EYE_WIDE, high * _EYE_HIGH)


def with_lips(picture: Image.Image, mouth: Face) -> Face:
    """The mouth on the line where its lips part: above the lower lip, and below what teeth are seen."""
    rows = [_parting(picture, mouth, across) for across in (-0.5, 0.0, 0.5)]
    left, middle, right = rows
    if middle is None:
        return mouth
    # A side on which the upper lip was taken for the lower one says nothing.
    ends = [row[0] for row in (left, right) if row is not None and middle[0] - row[0] < _RISES * mouth.width]
    # A parabola through the middle and what is half way to the corners.
    curve = 4 * (middle[0] - sum(ends) / len(ends)) if ends else 0.0
    return replace(mouth, y=middle[0], curve=min(max(curve, 0.0), 0.3 * mouth.width), shows_teeth=middle[1])


def _parting(picture: Image.Image, mouth: Face, across: float) -> tuple[float, bool] | None:
    """The row where the lower lip begins, and whether teeth are above it; None where no lip stands out."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    x, half = mouth.x + across * mouth.width / 2, max(1.0, mouth.width * 0.12)
    top = round(mouth.y - 0.3 * mouth.width)
    box = (round(x - half), top, round(x + half) + 1, round(mouth.y + 0.45 * mouth.width))
    lab = cv2.cvtColor(np.asarray(picture.crop(box).convert("RGB")), cv2.COLOR_RGB2LAB).astype(np.float32)
    smooth = max(1, round(mouth.width * 0.04))
    light, red = (np.convolve(lab[:, :, plane].mean(axis=1), np.ones(smooth) / smooth, "same") for plane in (0, 1))
    inner = red[smooth:-smooth]
    base = float(np.median(inner))
    lip = smooth + int(np.flatnonzero(inner >= base + _BOTH_LIPS * (inner.max() - base))[-1])
    reach = max(2, round(0.35 * mouth.width))
    start = max(smooth, lip - reach)
    if lip - start < 2:
        return None
    gap = start + int(np.argmin(red[start:lip]))
    if red[lip] - red[gap] < _LIP_STANDS_OUT:
        return None
    halfway = (red[lip] + red[gap]) / 2
    row = gap + int(np.argmax(red[gap : lip + 1] > halfway))
    return float(top + row), bool(light[gap] > np.median(light) + _TEETH_SHINE)
