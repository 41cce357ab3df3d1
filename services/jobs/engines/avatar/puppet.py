"""A photo whose jaw moves: the part below the mouth slides down and shows a dark mouth. A puppet, and no likeness."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from services.jobs.engines.protocol import InvalidInput

_SEARCHED = 480  # Pixels of the longer side of the copy in which a face is looked for.
# Where a mouth is in the box that the detector draws around a face, and how wide.
_MOUTH_AT, _MOUTH_WIDE = 0.79, 0.36
# How far a jaw drops at most, and how far below the mouth it still moves, in widths of the mouth.
_DROP, _JAW = 0.42, 1.25
_LEAST_SCORE = 2.0


@dataclass(frozen=True)
class Face:
    """The middle of the mouth and its width, in pixels of the picture."""

    x: float
    y: float
    width: float


def find_face(picture: Image.Image) -> Face:
    """The mouth of the surest face. Raises InvalidInput where none is seen."""
    import cv2  # noqa: PLC0415 - of the engines' own packages

    small = picture.convert("L")
    small.thumbnail((_SEARCHED, _SEARCHED))
    cascade = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"))
    boxes, _, scores = cascade.detectMultiScale3(
        np.asarray(small), scaleFactor=1.1, minNeighbors=4, minSize=(40, 40), outputRejectLevels=True
    )
    # The largest box is often no face at all; the surest one is.
    if not len(boxes) or max(scores) < _LEAST_SCORE:
        raise InvalidInput(
            "No face was found that looks straight ahead; say where its mouth is in options.mouth.", field="input_files"
        )
    x, y, side, height = (float(value) for value in boxes[int(np.argmax(scores))])
    scale = picture.width / small.width
    return Face((x + side / 2) * scale, (y + height * _MOUTH_AT) * scale, side * _MOUTH_WIDE * scale)


def speaking(picture: Any, face: Face, opened: float) -> Any:
    """The picture (rows, columns, 3) with the mouth opened, from 0 to 1."""
    made = picture.copy()
    drop = opened * _DROP * face.width
    if drop < 1:
        return made
    top, left = (max(0, round(middle - face.width)) for middle in (face.y, face.x))
    bottom, right = round(face.y + 1.7 * face.width), round(face.x + face.width) + 1
    part = made[top:bottom, left:right]
    part[:] = _opened(part, Face(face.x - left, face.y - top, face.width), drop)
    return made


def _opened(part: Any, face: Face, drop: float) -> Any:
    import cv2  # noqa: PLC0415 - of the engines' own packages

    rows, columns = np.mgrid[0 : part.shape[0], 0 : part.shape[1]].astype(np.float32)
    across, below = (columns - face.x) / (face.width / 2), (rows - face.y) / (_JAW * face.width)
    # The lip line is a little curved, so that the gap has corners.
    gap = drop * np.sqrt(np.clip(1 - across**2, 0, 1))
    jaw = np.clip(1 - (across / 1.9) ** 2, 0, 1) ** 0.5 * np.clip(1 - below, 0, 1) ** 1.5
    moved = np.where(rows > face.y, np.minimum(drop * jaw, rows - face.y), 0).astype(np.float32)
    made = cv2.remap(part, columns, rows - moved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _with_gap(made, rows - face.y, gap, drop)


def _with_gap(made: Any, below: Any, gap: Any, drop: float) -> Any:
    """Dark between the lips, with a row of teeth at the top; edges are softened over two pixels."""
    inside = np.clip(np.minimum(below, gap - below) / 2, 0, 1)[:, :, None]
    inside[(gap <= 0)] = 0
    teeth = np.clip((0.28 * drop - below) / 2, 0, 1)[:, :, None]
    colour = np.array([58, 18, 22]) * (1 - teeth) + np.array([236, 230, 222]) * teeth
    return (made * (1 - inside) + colour * inside).astype(np.uint8)
