"""Captions that appear one after another: by popping up, letter by letter, or out of nothing.

Everything is decided by the words and the options, so what a film will cost is known before it is made. The last
picture is the still meme, to the pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

from PIL import Image

from services.jobs.engines import shaping, text, typeset
from services.jobs.engines.shapes import INK
from services.jobs.engines.shaping import Run
from services.jobs.engines.typeset import Block, Line

Animation = Literal["pop", "typewriter", "fade"]
ANIMATIONS: tuple[Animation, ...] = get_args(Animation)

# Pictures a second; a GIF counts a picture's time in hundredths, and twenty a second come out even.
RATE = 20
_LEAD, _GAP = 0.4, 0.6
_POP, _FADE = 0.4, 0.6
_LETTERS_A_SECOND, _LONGEST = 16, 3.0
# The pop begins at this size, and its curve shoots over the end by a tenth of the rest (Penner's "back").
_SMALLEST, _OVER = 0.45, 1.70158
_ROOM = 0.09

Edges = tuple[int, int, int, int]


@dataclass(frozen=True)
class Caption:
    """A caption in its place and colour."""

    block: Block
    colour: str


class Shot(NamedTuple):
    """A picture that stays for `frames`; only within `changed` does it differ from the last that was settled."""

    picture: Image.Image
    frames: int
    changed: Edges | None
    settled: bool


def frames_of(captions: Sequence[str], animation: Animation, hold: float) -> int:
    """How many frames there will be; empty captions take no time."""
    moving = sum(moving_frames(caption, animation) + round(_GAP * RATE) for caption in captions if caption)
    return round(_LEAD * RATE) + moving - round(_GAP * RATE) + round(hold * RATE)


def moving_frames(caption: str, animation: Animation) -> int:
    """How many frames a caption takes until it is whole, the first whole one among them."""
    seconds = {"pop": _POP, "fade": _FADE}.get(animation, min(_LONGEST, len(caption) / _LETTERS_A_SECOND))
    return max(2, round(seconds * RATE))


def shots(
    bare: Image.Image, captions: Sequence[tuple[str, Caption]], animation: Animation, hold: float
) -> Iterator[Shot]:
    """From the picture without words to the whole meme. `captions` are those that have words."""
    settled = bare.copy()
    yield Shot(settled.copy(), round(_LEAD * RATE), None, settled=True)
    for number, (words, caption) in enumerate(captions):
        edges = room(caption.block, bare.size)
        count = moving_frames(words, animation)
        for layer in appearing(caption, edges, animation, count):
            picture = settled.copy()
            picture.paste(layer, edges[:2], layer)
            yield Shot(picture, 1, edges, settled=False)
        typeset.draw(settled, caption.block, caption.colour, INK)
        is_last = number == len(captions) - 1
        yield Shot(settled.copy(), 1 + round((hold if is_last else _GAP) * RATE), edges, settled=True)


def appearing(caption: Caption, edges: Edges, animation: Animation, count: int) -> Iterator[Image.Image]:
    """The caption on its way, one layer a frame, cut to `edges`: all of its `count` frames but the last."""
    whole = layer_of(caption.block, caption.colour, edges)
    for frame in range(1, count):
        share = frame / count
        if animation == "typewriter":
            yield layer_of(typed(caption.block, share), caption.colour, edges)
        elif animation == "pop":
            yield _popped(whole, share)
        else:
            yield _faint(whole, share * share * (3 - 2 * share))


def layer_of(block: Block, colour: str, edges: Edges) -> Image.Image:
    """The block alone on nothing, cut to `edges`."""
    layer = Image.new("RGBA", edges[2:], (0, 0, 0, 0))
    typeset.draw(layer, block, colour, INK)
    return layer.crop(edges)


def _popped(whole: Image.Image, share: float) -> Image.Image:
    back = 1 + (_OVER + 1) * (share - 1) ** 3 + _OVER * (share - 1) ** 2
    scale = _SMALLEST + (1 - _SMALLEST) * back
    size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
    page = Image.new("RGBA", whole.size, (0, 0, 0, 0))
    place = ((whole.width - size[0]) // 2, (whole.height - size[1]) // 2)
    page.paste(whole.resize(size, Image.Resampling.BICUBIC), place)
    return _faint(page, min(1.0, share * 3))


def _faint(layer: Image.Image, share: float) -> Image.Image:
    made = layer.copy()
    made.putalpha(layer.getchannel("A").point(lambda alpha: round(alpha * share)))
    return made


def room(block: Block, size: tuple[int, int]) -> Edges:
    """The caption's ink and what its pop shoots over, within the picture."""
    ink, across, down = block.ink, block.ink.width * _ROOM, block.ink.height * _ROOM + 2
    left, top = max(0, round(ink.x - across)), max(0, round(ink.y - down))
    return left, top, min(size[0], round(ink.right + across)), min(size[1], round(ink.bottom + down))


def typed(block: Block, share: float) -> Block:
    """The first part of the block's letters, each where it stays."""
    left = round(share * sum(_length(run) for line in block.lines for run in line.runs))
    lines = []
    for line in block.lines:
        shown = min(left, sum(map(_length, line.runs)))
        left -= shown
        if shown:
            lines.append(_started(line, shown, block))
    return replace(block, lines=tuple(lines))


def _started(line: Line, count: int, block: Block) -> Line:
    runs = []
    for run in reversed(line.runs) if line.rtl else line.runs:
        shown = min(count, _length(run))
        count -= shown
        if shown:
            runs.append(_first(run, shown, block))
    return replace(line, runs=tuple(runs))


def _length(run: Run) -> int:
    return 1 if run.emoji else sum(1 for _ in text.clusters(run.text, run.face))


def _first(run: Run, count: int, block: Block) -> Run:
    if run.emoji or count == _length(run):
        return run
    part = replace(run, text="".join(cluster.text for cluster in list(text.clusters(run.text, run.face))[:count]))
    if not run.rtl:
        return part
    shift = shaping.advance(run, block.size, block.style) - shaping.advance(part, block.size, block.style)
    return replace(part, x=run.x + shift)
