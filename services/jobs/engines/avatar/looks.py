"""The three looks: each is a function from a frame's number to the frame, drawn once for each pose it has."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from services.jobs.engines.avatar import character as drawn
from services.jobs.engines.avatar import portrait as ring
from services.jobs.engines.avatar import puppet as jaw
from services.jobs.engines.avatar import sway
from services.jobs.engines.avatar.character import LIDS, Hair
from services.jobs.engines.avatar.faces import Face, find_face, with_lips
from services.jobs.engines.avatar.mouths import REST, Mouth, blinks, mouths
from services.jobs.engines.film.planes import of_picture
from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.speech.performance import Performance
from services.jobs.engines.vector import rasterise

Look = Callable[[int], Any]

# Poses differ by steps that no eye tells apart at thirty frames a second, so that few have to be drawn.
_STEPS = 10
_KEPT = 48
# Where the mouth is put in a picture that is larger than the film, and how wide at least, as shares of the film; a
# picture is not enlarged further than it bears.
_MOUTH_AT, _MOUTH_WIDE, _ENLARGED = 0.52, 0.12, 2.0

# In the ring: the picture's side in widths of the mouth, and where in it the mouth is.
_AROUND, _CHIN = 8.0, 0.6


def character(hair: Hair | None, played: Performance, size: tuple[int, int], seed: int) -> Look:
    who = drawn.character_of(seed, hair)
    shapes = mouths(played.words, played.voice, played.count, played.rate)
    closed = blinks(played.count, played.rate, seed)
    moved = sway.whole(played, size)
    faces = [rasterise(drawn.drawing(who, lids=lids, size=size), *size) for lids in LIDS]

    @lru_cache(maxsize=_KEPT)
    def pose(opened: int, wide: int, bitten: bool, raised: bool, lids: int) -> Any:  # noqa: FBT001 - a key
        mouth = Mouth(opened / _STEPS, wide / _STEPS, float(bitten), float(raised))
        return of_picture(_with_mouth(faces[lids], mouth, size))

    def frame(number: int) -> Any:
        mouth = shapes[number]
        steps = round(mouth.opened * _STEPS), round(mouth.wide * _STEPS)
        return moved(pose(*steps, mouth.teeth > 0.5, mouth.tongue > 0.5, _nearest(closed.get(number, 0.0))), number)

    return frame


def _nearest(closed: float) -> int:
    return min(range(len(LIDS)), key=lambda number: abs(LIDS[number] - closed))


def _with_mouth(face: Image.Image, mouth: Mouth, size: tuple[int, int]) -> Image.Image:
    made = face.copy()
    place, (width, height) = drawn.mouth_place(size)
    made.alpha_composite(rasterise(drawn.mouth_drawing(mouth), width, height), place)
    return made


def puppet(
    picture: Image.Image,
    mouth: tuple[float, float, float] | None,
    played: Performance,
    size: tuple[int, int],
    seed: int,
) -> Look:
    """`mouth` as shares of the picture: its middle and its width. Raises InvalidInput where no face is found."""
    if mouth is None:
        face = find_face(picture)
    else:
        told = Face(mouth[0] * picture.width, mouth[1] * picture.height, mouth[2] * picture.width)
        face = with_lips(picture, told)
    fitted, face = _fitted(picture, face, size)
    shapes = mouths(played.words, played.voice, played.count, played.rate)
    moved, pixels = sway.head(played, face, size), np.asarray(fitted)

    closed = blinks(played.count, played.rate, seed)

    @lru_cache(maxsize=_KEPT)
    def pose(opened: int, wide: int, lids: float) -> Any:
        shape = Mouth(opened / (2 * _STEPS), wide / _STEPS)
        return of_picture(Image.fromarray(jaw.speaking(pixels, face, shape, lids)))

    def frame(number: int) -> Any:
        shape = shapes[number]
        opened = round(shape.opened * 2 * _STEPS)
        return moved(pose(opened, round(shape.wide * _STEPS) if opened else 0, closed.get(number, 0.0)), number)

    return frame


def _fitted(picture: Image.Image, face: Face, size: tuple[int, int]) -> tuple[Image.Image, Face]:
    """The picture filling the film with the mouth as near its place as the edges allow."""
    covering = max(size[0] / picture.width, size[1] / picture.height)
    scale = max(covering, min(_MOUTH_WIDE * size[0] / face.width, _ENLARGED * max(1.0, covering)))
    width, height = max(size[0], round(picture.width * scale)), max(size[1], round(picture.height * scale))
    left = round(min(max(face.x * scale - size[0] / 2, 0), width - size[0]))
    top = round(min(max(face.y * scale - size[1] * _MOUTH_AT, 0), height - size[1]))
    scaled = picture.resize((width, height), Image.Resampling.LANCZOS)
    cut = scaled.crop((left, top, left + size[0], top + size[1]))
    return cut, face.seen(scale, left, top)


def portrait(
    picture: Image.Image | None,
    hair: Hair | None,
    played: Performance,
    size: tuple[int, int],
    accent: str,
    seed: int,
) -> Look:
    """Without a picture the ring is around the character's face."""
    if picture is None:
        square = (min(size), min(size))
        face = rasterise(drawn.drawing(drawn.character_of(seed, hair), lids=0, size=square), *square)
        picture = _with_mouth(face, REST, square).convert("RGB")
    else:
        picture = _closer(picture)
    page = np.asarray(ring.ground(picture, size))
    levels = ring.spectra(played.voice, played.count, played.rate)
    red, green, blue = (int(accent[place : place + 2], 16) for place in (1, 3, 5))
    return lambda number: ring.with_rays(page, levels[number], (red, green, blue))


def _closer(picture: Image.Image) -> Image.Image:
    """The part of it around the face; all of it where none is found."""
    try:
        face = find_face(picture)
    except InvalidInput:
        return picture
    side = min(*picture.size, round(_AROUND * face.width))
    left = min(max(round(face.x - side / 2), 0), picture.width - side)
    top = min(max(round(face.y - _CHIN * side), 0), picture.height - side)
    return picture.crop((left, top, left + side, top + side))
