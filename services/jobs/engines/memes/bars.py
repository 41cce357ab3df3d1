"""White bars above and below a picture, for captions that are printed and cover nothing."""

from typing import NamedTuple

from services.jobs.engines.memes.templates import PRINTED, Slot
from services.jobs.engines.shapes import INK
from services.jobs.engines.typeset import Box

PAPER = "#fffdf7"
_HEIGHT = 0.2  # Of the picture's width.


class Barred(NamedTuple):
    """The page's size, where the picture's top edge is on it, and the places in the two bars."""

    size: tuple[int, int]
    top: int
    slots: tuple[Slot, Slot]


def barred(size: tuple[int, int], *, above: bool, below: bool) -> Barred:
    """Only bars that are used are there. Their heights are even, as films need."""
    width, bar = size[0], round(size[0] * _HEIGHT) // 2 * 2
    heights = (bar * above, bar * below)
    height = size[1] + sum(heights)
    tops = (0.0, (height - heights[1]) / height)
    first, last = (_slot(top, own / height) for top, own in zip(tops, heights, strict=True))
    return Barred((width, height), heights[0], (first, last))


def _slot(top: float, height: float) -> Slot:
    return Slot(Box(0.045, top + 0.018, 0.91, height - 0.036), PRINTED, INK)
