"""Setting text into a box: the largest size that fits, balanced lines, several scripts and emoji in one line.

Nothing is ever cut. Fit is decided on the ink (outline included), not on nominal font metrics, because stacked
accents, swashes and emoji leave the nominal line.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from services.jobs.engines import emoji, fonts
from services.jobs.engines.text import Atom, Cluster, atoms, clean, joined

_REFERENCE = 100  # Pixel size at which atoms are measured once; advances scale linearly from it.
_EMOJI_ADVANCE, _EMOJI_SIDE, _EMOJI_RISE = 1.16, 1.04, 0.9  # In em: a little air each side, centred on capitals.


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
    """How a text looks; `tracking`, `leading` and `outline` are in em. `smallest` and `largest` are pixels."""

    face: str
    weight: int = 400
    largest: int = 200
    smallest: int = 10
    leading: float = 1.12
    tracking: float = 0.0
    outline: float = 0.0
    upper: bool = False
    align: Literal["left", "center", "right"] = "center"
    valign: Literal["top", "middle", "bottom"] = "middle"


@dataclass(frozen=True)
class Run:
    """Neighbouring clusters that one face draws in one direction, with the pen's x at its baseline."""

    text: str
    face: str
    emoji: str | None
    rtl: bool
    x: float = 0.0


@dataclass(frozen=True)
class Line:
    """Runs from left to right, and the ink they leave relative to the start of the baseline."""

    runs: tuple[Run, ...]
    ink: Box
    x: float = 0.0
    baseline: float = 0.0


@dataclass(frozen=True)
class Block:
    """Text with every position decided; `ink` is what drawing it will touch, outline included."""

    lines: tuple[Line, ...]
    ink: Box
    size: int
    style: Style


def typeset(text: str, box: Box, style: Style) -> Block | None:
    """The text in the largest size that keeps it whole inside the box, or None when even the smallest is too big.

    Words are broken inside only when keeping them whole would make the text much smaller.
    """
    shown = clean(text)
    shown = shown.upper() if style.upper else shown
    if not shown:
        return None
    whole = _largest(shown, box, style, split_words=False)
    if whole and whole.size >= 0.4 * min(style.largest, box.height):
        return whole
    broken = _largest(shown, box, style, split_words=True)
    if whole and (broken is None or broken.size < 1.5 * whole.size):
        return whole
    return broken


def _largest(text: str, box: Box, style: Style, *, split_words: bool) -> Block | None:
    paragraphs = [_Measured(atoms(line, style.face, split_words=split_words), style) for line in text.split("\n")]
    size = _search(style.smallest, style.largest, lambda size: _roughly_fits(paragraphs, box, style, size))
    while size and size >= style.smallest:
        # The rough search ignores ink, so the true block decides and steps down until it fits.
        block = _block(paragraphs, box, style, size)
        if block and box.holds(block.ink):
            return block
        size -= max(1, size // 40)
    return None


def _search(low: int, high: int, fits: Callable[[int], bool]) -> int | None:
    best = None
    while low <= high:
        middle = (low + high) // 2
        if fits(middle):
            best, low = middle, middle + 1
        else:
            high = middle - 1
    return best if best is not None else low


class _Measured:
    """A paragraph's atoms with their widths and the widths of the spaces before them, in em."""

    def __init__(self, parts: list[Atom], style: Style) -> None:
        self.atoms = parts
        self.widths = [_advance(atom.clusters, style) for atom in parts]
        space = _advance((Cluster(" ", "", None),), style)
        self.spaces = [space if atom.spaced else 0.0 for atom in parts]

    def breaks(self, width: float) -> list[tuple[int, int]] | None:
        """Greedy lines as (start, end) of atoms, or None if one atom alone is wider than `width` em."""
        if any(own > width for own in self.widths):
            return None
        lines, start, used = [], 0, 0.0
        for index, own in enumerate(self.widths):
            needed = own if index == start else used + self.spaces[index] + own
            if index > start and needed > width:
                lines.append((start, index))
                start, needed = index, own
            used = needed
        return [*lines, (start, len(self.widths))] if self.widths else []

    def balanced(self, width: float) -> list[tuple[int, int]] | None:
        """As few lines as greedy needs, but of the narrowest width that still gives as few."""
        greedy = self.breaks(width)
        if greedy is None or len(greedy) < 2:
            return greedy
        low, high, best = 0.0, width, greedy
        for _ in range(12):
            middle = (low + high) / 2
            tried = self.breaks(middle)
            if tried is not None and len(tried) <= len(greedy):
                best, high = tried, middle
            else:
                low = middle
        return best


def _advance(parts: tuple[Cluster, ...], style: Style) -> float:
    width = sum(_run_advance(run, _REFERENCE, style) for run in _runs(list(parts), style)) / _REFERENCE
    return width + 2 * style.outline / max(1, len(parts))


def _roughly_fits(paragraphs: list[_Measured], box: Box, style: Style, size: int) -> bool:
    width = box.width / size - 2 * style.outline
    lines = 0
    for paragraph in paragraphs:
        broken = paragraph.breaks(width)
        if broken is None:
            return False
        lines += len(broken)
    return (0.72 + (lines - 1) * style.leading + 2 * style.outline) * size <= box.height


def _block(paragraphs: list[_Measured], box: Box, style: Style, size: int) -> Block | None:
    lines: list[Line] = []
    for paragraph in paragraphs:
        broken = paragraph.balanced(box.width / size - 2 * style.outline)
        if broken is None:
            return None
        lines += [_line(joined(paragraph.atoms[start:end]), style, size) for start, end in broken]
    return _placed(lines, box, style, size)


def _line(parts: list[Cluster], style: Style, size: int) -> Line:
    pen, placed = 0.0, []
    inks = []
    for run in _visual_order(_runs(parts, style), _base_rtl(parts)):
        placed.append(replace(run, x=pen))
        inks.append(_run_ink(placed[-1], size, style))
        pen += _run_advance(run, size, style)
    return Line(tuple(placed), _union(inks))


def _placed(lines: list[Line], box: Box, style: Style, size: int) -> Block:
    """Baselines a leading apart, or further where ink would touch; then the ink as a whole is aligned in the box."""
    baseline, stacked = 0.0, []
    for index, line in enumerate(lines):
        if index:
            clear = lines[index - 1].ink.bottom - line.ink.y + 0.06 * size
            baseline += max(style.leading * size, clear)
        stacked.append(replace(line, x=_aligned(line.ink, box, style), baseline=baseline))
    top = min(line.baseline + line.ink.y for line in stacked)
    bottom = max(line.baseline + line.ink.bottom for line in stacked)
    slack = box.height - (bottom - top)
    shift = box.y - top + {"top": 0.0, "middle": slack / 2, "bottom": slack}[style.valign]
    done = tuple(replace(line, baseline=line.baseline + shift) for line in stacked)
    ink = _union([Box(line.x + line.ink.x, line.baseline + line.ink.y, *line.ink[2:]) for line in done])
    return Block(done, ink, size, style)


def _aligned(ink: Box, box: Box, style: Style) -> float:
    slack = box.width - ink.width
    return box.x - ink.x + {"left": 0.0, "center": slack / 2, "right": slack}[style.align]


def _runs(parts: list[Cluster], style: Style) -> list[Run]:
    """Clusters grouped by face and direction; a space takes both from its neighbours."""
    runs: list[Run] = []
    directions = _directions(parts)
    for index, (cluster, rtl) in enumerate(zip(parts, directions, strict=True)):
        name = cluster.face or (runs[-1].face if runs and not runs[-1].emoji else style.face)
        last = runs[-1] if runs else None
        if cluster.emoji or last is None or last.emoji or (last.face, last.rtl) != (name, rtl):
            runs.append(Run(cluster.text, "" if cluster.emoji else name, cluster.emoji, rtl))
        else:
            runs[-1] = replace(last, text=last.text + cluster.text)
    return runs


def _strong(text: str) -> bool | None:
    """True for right-to-left, False for left-to-right and digits, None for what takes its neighbours' direction."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return True
        if kind in ("L", "EN", "AN"):
            return False
    return None


def _base_rtl(parts: list[Cluster]) -> bool:
    letters = (unicodedata.bidirectional(cluster.text[0]) for cluster in parts)
    return next((kind in ("R", "AL") for kind in letters if kind in ("L", "R", "AL")), False)


def _directions(parts: list[Cluster]) -> list[bool]:
    """Neutrals between two runs of one direction take it, others take the line's."""
    strong = [_strong(cluster.text) for cluster in parts]
    base = _base_rtl(parts)
    before, after = _nearest(strong, base), _nearest(strong[::-1], base)[::-1]
    return [
        own if own is not None else (left if left == right else base)
        for own, left, right in zip(strong, before, after, strict=True)
    ]


def _nearest(strong: list[bool | None], base: bool) -> list[bool]:
    seen, last = [], base
    for own in strong:
        seen.append(last)
        last = own if own is not None else last
    return seen


def _visual_order(runs: list[Run], base_rtl: bool) -> list[Run]:
    """Rule L2 of the Unicode bidirectional algorithm for two levels: foreign stretches are turned as a whole."""
    ordered: list[Run] = []
    stretch: list[Run] = []
    for run in runs:
        if run.rtl != base_rtl:
            stretch.append(run)
            continue
        ordered += [*reversed(stretch), run]
        stretch = []
    ordered += reversed(stretch)
    return ordered[::-1] if base_rtl else ordered


def _union(boxes: list[Box]) -> Box:
    seen = [box for box in boxes if box.width > 0 and box.height > 0] or boxes[:1] or [Box(0, 0, 0, 0)]
    left, top = min(box.x for box in seen), min(box.y for box in seen)
    return Box(left, top, max(box.right for box in seen) - left, max(box.bottom for box in seen) - top)


def _font(run: Run, size: int, style: Style) -> ImageFont.FreeTypeFont:
    return fonts.font(run.face, style.weight, size)


def _language(run: Run) -> str | None:
    """Han characters without kana are most likely Chinese, and the CJK face draws Chinese shapes when told."""
    if run.face != "cjk" or any(0x3040 <= ord(letter) <= 0x30FF for letter in run.text):
        return None
    return "zh-Hans"


def _direction(run: Run) -> Literal["rtl", "ltr"]:
    return "rtl" if run.rtl else "ltr"


def _letters(run: Run, size: int, style: Style) -> list[tuple[float, str]]:
    """Pen offset and text of what is drawn at once: the whole run, or letter by letter when it is tracked.

    The offset of a letter is measured on the text up to it, so that kerning survives the tracking.
    """
    if not style.tracking or run.rtl or not run.text.isascii():
        return [(0.0, run.text)]
    face = _font(run, size, style)
    return [
        (face.getlength(run.text[:index]) + index * style.tracking * size, letter)
        for index, letter in enumerate(run.text)
    ]


def _run_advance(run: Run, size: int, style: Style) -> float:
    if run.emoji:
        return _EMOJI_ADVANCE * size
    face = _font(run, size, style)
    tracked = style.tracking * size * len(run.text) if len(_letters(run, size, style)) > 1 or _tracks(run, style) else 0
    return face.getlength(run.text, direction=_direction(run), language=_language(run)) + tracked


def _tracks(run: Run, style: Style) -> bool:
    return bool(style.tracking) and not run.rtl and run.text.isascii()


def _run_ink(run: Run, size: int, style: Style) -> Box:
    if run.emoji:
        inset = (_EMOJI_ADVANCE - _EMOJI_SIDE) / 2 * size
        side = round(_EMOJI_SIDE * size)
        return Box(run.x + inset - 1, -_EMOJI_RISE * size - 1, side + 2, side + 2)
    face, outline = _font(run, size, style), style.outline * size
    boxes = []
    for offset, letters in _letters(run, size, style):
        left, top, right, bottom = face.getbbox(
            letters, anchor="ls", direction=_direction(run), language=_language(run), stroke_width=outline
        )
        boxes.append(Box(run.x + offset + left - 1, top - 1, right - left + 2, bottom - top + 2))
    return _union(boxes)


def draw(image: Image.Image, block: Block, fill: str, outline: str = "#000000") -> None:
    """Draw a block onto an RGB or RGBA picture: outlines first, so that no letter's outline covers its neighbour."""
    canvas = ImageDraw.Draw(image)
    if block.style.outline:
        _draw_letters(canvas, block, outline, stroke=block.style.outline * block.size)
    _draw_letters(canvas, block, fill, stroke=0)
    for line in block.lines:
        for run in line.runs:
            if run.emoji:
                _paste_emoji(image, line, run, block.size)


def _draw_letters(canvas: ImageDraw.ImageDraw, block: Block, fill: str, stroke: float) -> None:
    for line in block.lines:
        for run in line.runs:
            if run.emoji or run.text.isspace():
                continue
            for offset, letters in _letters(run, block.size, block.style):
                canvas.text(
                    (line.x + run.x + offset, line.baseline),
                    letters,
                    font=_font(run, block.size, block.style),
                    anchor="ls",
                    fill=fill,
                    stroke_width=stroke,
                    stroke_fill=fill,
                    direction=_direction(run),
                    language=_language(run),
                )


def _paste_emoji(image: Image.Image, line: Line, run: Run, size: int) -> None:
    drawn = emoji.picture(run.emoji or "", round(_EMOJI_SIDE * size))
    left = line.x + run.x + (_EMOJI_ADVANCE - _EMOJI_SIDE) / 2 * size
    image.paste(drawn, (round(left), round(line.baseline - _EMOJI_RISE * size)), drawn)


def coverage(block: Block, size: tuple[int, int]) -> Image.Image:
    """Where the block's letters put ink, as a mask; emoji bring their own colours and are left out."""
    mask = Image.new("L", size, 0)
    _draw_letters(ImageDraw.Draw(mask), block, "#ffffff", stroke=0)  # type: ignore[arg-type]
    return mask
