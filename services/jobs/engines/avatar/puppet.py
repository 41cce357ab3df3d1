"""A photo that speaks and blinks: lips part and the chin goes with them, lids slide over eyes. A puppet, no likeness.

Every movement is a map from where a pixel is shown to where it comes from, and each fades out before its edge: there is
no seam, and what is far from a face is the photo, to the pixel.
"""

from typing import Any

import numpy as np

from services.jobs.engines.avatar.faces import Eye, Face
from services.jobs.engines.avatar.mouths import Mouth

# In widths of the mouth: how far lips part at most, how far below them the skin still moves and how far beside them,
# and below which part of that the lower lip has joined the chin.
_DROP, _JAW, _BESIDE, _LIP = 0.34, 1.3, 0.6, 0.4
_TURNS = 3  # The map is known from the photo to the frame; so many turns find it the other way round.
# A pursed mouth is as narrow as this beside a wide one.
_NARROWEST = 0.62
_BLACK, _TONGUE, _TEETH = np.array([34, 10, 13]), np.array([128, 56, 58]), np.array([226, 218, 207])
# In half heights of an eye: how far above it the skin begins that makes its lid.
_LID = 2.4


def speaking(picture: Any, face: Face, mouth: Mouth, closed: float = 0.0) -> Any:
    """The picture (rows, columns, 3) with this mouth, and with the eyes closed from 0 to 1."""
    made = picture.copy()
    for eye in face.eyes if closed > 0 else ():
        _blink(made, eye, closed)
    drop = mouth.opened * _DROP * face.width
    if drop >= 1:
        _open(made, face, drop, _NARROWEST + (1 - _NARROWEST) * min(1.0, mouth.wide / 0.65))
    return made


def _open(made: Any, face: Face, drop: float, wide: float) -> None:
    top, left = round(face.y - face.curve - 0.2 * face.width), round(face.x - face.width * (0.5 + _BESIDE))
    bottom, right = round(face.y + (_JAW + 0.4) * face.width), round(face.x + face.width * (0.5 + _BESIDE)) + 1
    top, left = max(0, top), max(0, left)
    part = made[top:bottom, left:right]
    rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    across = (columns - (face.x - left)) / (face.width / 2)
    # Rows below the line of the lips, which is a parabola.
    below = rows - (face.y - top) + face.curve * np.minimum(across**2, 1)
    gap = drop * np.sqrt(np.clip(1 - (across / wide) ** 2, 0, 1))
    source = _source(below, across, gap, drop, face.width)
    moved = _sampled(part, columns, rows - (below - source))
    part[:] = _with_inside(moved, below, gap, drop, across / wide, shows_teeth=face.shows_teeth)


def _source(below: Any, across: Any, gap: Any, drop: float, width: float) -> Any:
    """How far below the lips each pixel comes from: the lip from its arc, the chin as one, its end not at all."""
    chin = drop * _eased(np.clip(1 - (np.abs(across) - 0.4) / (2 * _BESIDE + 0.6), 0, 1))
    source = below
    for _ in range(_TURNS):
        deep = np.clip(source, 0, None) / width
        joined = _eased(np.clip(deep / _LIP, 0, 1))
        fading = _eased(np.clip(1 - deep / _JAW, 0, 1))
        source = below - (gap * (1 - joined) + chin * joined) * fading
    return np.where(below > 0, np.maximum(source, 0), below)


def _eased(share: Any) -> Any:
    return share * share * (3 - 2 * share)


def _sampled(part: Any, columns: Any, rows: Any) -> Any:
    import cv2  # noqa: PLC0415 - of the engines' own packages

    return cv2.remap(part, columns, rows.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _with_inside(moved: Any, below: Any, gap: Any, drop: float, across: Any, *, shows_teeth: bool) -> Any:
    """Dark under the upper lip or the photo's own teeth, a tongue at the bottom, and edges that are soft."""
    soft = max(1.0, 0.08 * drop)
    inside = _eased(np.clip(np.minimum(below, gap - below) / soft, 0, 1)) * (gap > 0)
    deep = np.clip(below / np.maximum(gap, 1), 0, 1)[:, :, None]
    colour = _BLACK + (_TONGUE - _BLACK) * _eased(np.clip((deep - 0.45) / 0.55, 0, 1)) * min(1.0, drop / 20)
    if not shows_teeth:
        edge = 0.3 * drop * np.sqrt(np.clip(1 - (across / 0.85) ** 2, 0, 1))
        teeth = _eased(np.clip((edge - below) / soft, 0, 1))[:, :, None]
        shade = (1 - 0.35 * np.clip(np.abs(across), 0, 1))[:, :, None]
        colour = colour * (1 - teeth) + _TEETH * shade * teeth
    inside = inside[:, :, None]
    return (moved * (1 - inside) + colour * inside).astype(np.uint8)


def _blink(made: Any, eye: Eye, closed: float) -> None:
    """The skin above the eye is drawn down over it, and its lashes with it."""
    top, bottom = max(0, round(eye.y - (_LID + 1) * eye.high)), round(eye.y + 2 * eye.high)
    left, right = max(0, round(eye.x - 1.3 * eye.wide)), round(eye.x + 1.3 * eye.wide) + 1
    part = made[top:bottom, left:right]
    rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    arc = eye.high * np.clip(1 - ((columns - (eye.x - left)) / (1.25 * eye.wide)) ** 2, 0, 1)
    middle = eye.y - top
    upper, lower = middle - arc, middle + 0.8 * arc
    lid = upper + closed * (lower - upper)
    begin = middle - (_LID + 1) * eye.high + (eye.high - arc)
    share = np.clip((rows - begin) / np.maximum(lid - begin, 1), 0, 1)
    source = begin + share * (upper - begin)
    part[:] = _sampled(part, columns, np.where((rows > begin) & (rows <= lid), source, rows))
