"""Shaping: clusters grouped into runs of one face and direction, put in visual order, and measured."""

import unicodedata
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import arabic_reshaper
from bidi import get_display
from PIL import ImageFont

from services.jobs.engines import fonts
from services.jobs.engines.text import Cluster

EMOJI_ADVANCE, EMOJI_SIDE, EMOJI_RISE = 1.16, 1.04, 0.9  # In em: a little air each side, centred on capitals.


class Box(NamedTuple):
    """Pixels, from the top left."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def holds(self, other: "Box", slack: float = 0.0) -> bool:
        inside = self.x - slack <= other.x and self.y - slack <= other.y
        return inside and other.right <= self.right + slack and other.bottom <= self.bottom + slack


@dataclass(frozen=True)
class Style:
    """How a text looks; `tracking`, `leading` and `outline` are in em. `smallest` and `largest` are pixels.

    `start` is the left edge, or the right one for a line that reads from right to left."""

    face: str
    weight: int = 400
    largest: int = 200
    smallest: int = 10
    leading: float = 1.12
    tracking: float = 0.0
    outline: float = 0.0
    upper: bool = False
    align: Literal["start", "center"] = "center"
    valign: Literal["top", "middle", "bottom"] = "middle"


@dataclass(frozen=True)
class Run:
    """Neighbouring clusters that one face draws in one direction, with the pen's x at its baseline."""

    text: str
    face: str
    emoji: str | None
    rtl: bool
    x: float = 0.0


def runs(parts: list[Cluster], style: Style) -> list[Run]:
    """Clusters grouped by face and direction; a space takes both from its neighbours."""
    grouped: list[Run] = []
    directions = _directions(parts)
    for cluster, rtl in zip(parts, directions, strict=True):
        name = cluster.face or (grouped[-1].face if grouped and not grouped[-1].emoji else style.face)
        last = grouped[-1] if grouped else None
        if cluster.emoji or last is None or last.emoji or (last.face, last.rtl) != (name, rtl):
            grouped.append(Run(cluster.text, "" if cluster.emoji else name, cluster.emoji, rtl))
        else:
            grouped[-1] = replace(last, text=last.text + cluster.text)
    return grouped


def _strong(text: str) -> bool | None:
    """True for right-to-left, False for left-to-right and digits, None for what takes its neighbours' direction."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return True
        if kind in ("L", "EN", "AN"):
            return False
    return None


def base_rtl(parts: list[Cluster]) -> bool:
    kinds = (unicodedata.bidirectional(cluster.text[0]) for cluster in parts)
    return next((kind in ("R", "AL") for kind in kinds if kind in ("L", "R", "AL")), False)


def _directions(parts: list[Cluster]) -> list[bool]:
    """Neutrals between two runs of one direction take it, others take the line's."""
    strong = [_strong(cluster.text) for cluster in parts]
    base = base_rtl(parts)
    before, after = _nearest(strong, base=base), _nearest(strong[::-1], base=base)[::-1]
    return [
        own if own is not None else (left if left == right else base)
        for own, left, right in zip(strong, before, after, strict=True)
    ]


def _nearest(strong: list[bool | None], *, base: bool) -> list[bool]:
    seen, last = [], base
    for own in strong:
        seen.append(last)
        last = own if own is not None else last
    return seen


def visual_order(logical: list[Run], *, line_rtl: bool) -> list[Run]:
    """Rule L2 of the Unicode bidirectional algorithm for two levels: foreign stretches are turned as a whole."""
    ordered: list[Run] = []
    stretch: list[Run] = []
    for run in logical:
        if run.rtl != line_rtl:
            stretch.append(run)
            continue
        ordered += [*reversed(stretch), run]
        stretch = []
    ordered += reversed(stretch)
    return ordered[::-1] if line_rtl else ordered


def union(boxes: list[Box]) -> Box:
    seen = [box for box in boxes if box.width > 0 and box.height > 0] or boxes[:1] or [Box(0, 0, 0, 0)]
    left, top = min(box.x for box in seen), min(box.y for box in seen)
    return Box(left, top, max(box.right for box in seen) - left, max(box.bottom for box in seen) - top)


def font_of(run: Run, size: int, style: Style) -> ImageFont.FreeTypeFont:
    return fonts.font(run.face, style.weight, size)


def reading(run: Run) -> dict[str, Any]:
    """How Pillow shall read the run's letters: nothing can be told to it where they are laid out by ourselves."""
    return {"direction": "rtl" if run.rtl else "ltr", "language": _language(run)} if fonts.shapes() else {}


def shown(run: Run) -> str:
    """The run's text as Pillow takes it: joined and turned by ourselves where Pillow can't."""
    if fonts.shapes() or not run.rtl:
        return run.text
    turned: str = get_display(arabic_reshaper.reshape(run.text), base_dir="R")
    return turned


def _language(run: Run) -> str | None:
    """Han characters without kana are most likely Chinese, and the CJK face draws Chinese shapes when told."""
    if run.face != "cjk" or any(0x3040 <= ord(letter) <= 0x30FF for letter in run.text):
        return None
    return "zh-Hans"


def letters(run: Run, size: int, style: Style) -> list[tuple[float, str]]:
    """Pen offset and text of what is drawn at once: the whole run, or letter by letter when it is tracked.

    The offset of a letter is measured on the text up to it, so that kerning survives the tracking.
    """
    if not _tracks(run, style):
        return [(0.0, shown(run))]
    face = font_of(run, size, style)
    return [
        (face.getlength(run.text[:index]) + index * style.tracking * size, letter)
        for index, letter in enumerate(run.text)
    ]


def advance(run: Run, size: int, style: Style) -> float:
    if run.emoji:
        return EMOJI_ADVANCE * size
    face = font_of(run, size, style)
    tracked = style.tracking * size * len(run.text) if _tracks(run, style) else 0
    return face.getlength(shown(run), **reading(run)) + tracked


def _tracks(run: Run, style: Style) -> bool:
    return bool(style.tracking) and not run.rtl and run.text.isascii()


def ink(run: Run, size: int, style: Style) -> Box:
    if run.emoji:
        inset = (EMOJI_ADVANCE - EMOJI_SIDE) / 2 * size
        side = round(EMOJI_SIDE * size)
        return Box(run.x + inset - 1, -EMOJI_RISE * size - 1, side + 2, side + 2)
    face, outline = font_of(run, size, style), style.outline * size
    boxes = []
    for offset, drawn in letters(run, size, style):
        left, top, right, bottom = face.getbbox(drawn, anchor="ls", stroke_width=outline, **reading(run))
        boxes.append(Box(run.x + offset + left - 1, top - 1, right - left + 2, bottom - top + 2))
    return union(boxes)
