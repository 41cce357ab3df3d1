"""Setting text into a box: the largest size that fits, balanced lines, several scripts and emoji in one line.

Nothing is ever cut. Fit is decided on the ink (outline included), not on nominal font metrics, because stacked
accents, swashes and emoji leave the nominal line.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

from services.jobs.engines import emoji, shaping
from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.shaping import Box, Run, Style
from services.jobs.engines.text import Atom, Cluster, atoms, clean, is_inside_word, joined

__all__ = ["Block", "Box", "Style", "coverage", "draw", "typeset"]

_ROUNDING = 0.01  # Pixels that sums of floats may be off.
_REFERENCE = 100  # Pixel size at which atoms are measured once; advances scale linearly from it.


@dataclass(frozen=True)
class Line:
    """Runs from left to right, and the ink they leave relative to the start of the baseline."""

    runs: tuple[Run, ...]
    ink: Box
    rtl: bool = False
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
    if whole and (broken is None or broken.size < 1.8 * whole.size):
        return whole
    return broken


def _largest(text: str, box: Box, style: Style, *, split_words: bool) -> Block | None:
    paragraphs = [_Measured(atoms(line, style.face, split_words=split_words), style) for line in text.split("\n")]
    size = _search(style.smallest, style.largest, lambda size: _roughly_fits(paragraphs, box, style, size))
    while size and size >= style.smallest:
        # The rough search ignores ink, so the true block decides and steps down until it fits.
        block = _block(paragraphs, box, style, size)
        if block and box.holds(block.ink, slack=_ROUNDING):
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
    width = sum(shaping.advance(run, _REFERENCE, style) for run in shaping.runs(list(parts), style)) / _REFERENCE
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
        lines += [_line(_shown(paragraph.atoms, start, end), style, size) for start, end in broken]
    return _placed(lines, box, style, size)


def _shown(parts: list[Atom], start: int, end: int) -> list[Cluster]:
    """The clusters of a line, with a hyphen where it ends inside a word."""
    line = joined(parts[start:end])
    if end < len(parts) and not parts[end].spaced and is_inside_word(line[-1], parts[end].clusters[0]):
        return [*line, replace(line[-1], text="-")]
    return line


def _line(parts: list[Cluster], style: Style, size: int) -> Line:
    pen, placed = 0.0, []
    inks = []
    for run in shaping.visual_order(shaping.runs(parts, style), line_rtl=shaping.base_rtl(parts)):
        placed.append(replace(run, x=pen))
        inks.append(shaping.ink(placed[-1], size, style))
        pen += shaping.advance(run, size, style)
    return Line(tuple(placed), shaping.union(inks), shaping.base_rtl(parts))


def _placed(lines: list[Line], box: Box, style: Style, size: int) -> Block:
    """Baselines a leading apart, or further where ink would touch; then the ink as a whole is aligned in the box."""
    baseline, stacked = 0.0, []
    for index, line in enumerate(lines):
        if index:
            clear = lines[index - 1].ink.bottom - line.ink.y + 0.06 * size
            baseline += max(style.leading * size, clear)
        stacked.append(replace(line, x=_aligned(line, box, style), baseline=baseline))
    top = min(line.baseline + line.ink.y for line in stacked)
    bottom = max(line.baseline + line.ink.bottom for line in stacked)
    slack = box.height - (bottom - top)
    shift = box.y - top + {"top": 0.0, "middle": slack / 2, "bottom": slack}[style.valign]
    done = tuple(replace(line, baseline=line.baseline + shift) for line in stacked)
    ink = shaping.union([Box(line.x + line.ink.x, line.baseline + line.ink.y, *line.ink[2:]) for line in done])
    return Block(done, ink, size, style)


def _aligned(line: Line, box: Box, style: Style) -> float:
    slack = box.width - line.ink.width
    return box.x - line.ink.x + {"start": slack if line.rtl else 0.0, "center": slack / 2}[style.align]


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


def _draw_letters(canvas: ImageDraw.ImageDraw, block: Block, fill: str | int, stroke: float) -> None:
    for line in block.lines:
        for run in line.runs:
            if run.emoji or run.text.isspace():
                continue
            for offset, drawn in shaping.letters(run, block.size, block.style):
                _draw_run(
                    canvas, replace(run, text=drawn, x=line.x + run.x + offset), line.baseline, block, fill, stroke
                )


def _draw_run(
    canvas: ImageDraw.ImageDraw, run: Run, baseline: float, block: Block, fill: str | int, stroke: float
) -> None:
    try:
        canvas.text(
            (run.x, baseline),
            run.text,
            font=shaping.font_of(run, block.size, block.style),
            anchor="ls",
            fill=fill,
            stroke_width=stroke,
            stroke_fill=fill,
            **shaping.reading(run),
        )
    except OSError:
        # FreeType gives up on a few immensely intricate glyphs at small sizes ("raster overflow").
        raise InvalidInput(f"The characters '{run.text}' can't be drawn this small.") from None


def _paste_emoji(image: Image.Image, line: Line, run: Run, size: int) -> None:
    drawn = emoji.picture(run.emoji or "", round(shaping.EMOJI_SIDE * size))
    left = line.x + run.x + (shaping.EMOJI_ADVANCE - shaping.EMOJI_SIDE) / 2 * size
    image.paste(drawn, (round(left), round(line.baseline - shaping.EMOJI_RISE * size)), drawn)


def coverage(block: Block, size: tuple[int, int]) -> Image.Image:
    """Where the block's letters put ink, as a mask; emoji bring their own colours and are left out."""
    mask = Image.new("L", size, 0)
    _draw_letters(ImageDraw.Draw(mask), block, 255, stroke=0)
    return mask
