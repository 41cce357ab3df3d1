"""Captions as pictures of ours that ffmpeg lays over a film: no word of a user is ever in a filter."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from services.jobs.engines.memes import motion
from services.jobs.engines.memes.bars import barred
from services.jobs.engines.memes.lettering import lettered
from services.jobs.engines.memes.motion import Animation, Caption, Edges
from services.jobs.engines.memes.templates import CLASSIC, Slot
from services.jobs.engines.memes.timing import Timed
from services.jobs.engines.output import save
from services.jobs.engines.typeset import Block


@dataclass(frozen=True)
class Page:
    """What will be seen: its size, where the film's top edge is on it, and where the two captions stand."""

    size: tuple[int, int]
    top: int
    slots: dict[str, Slot]


def page_of(film: tuple[int, int], captions: Sequence[Timed], *, bars: bool) -> Page:
    """The film alone, or between the bars that some caption uses at some time."""
    places = ("top", "bottom")
    if not bars:
        return Page(film, 0, dict(zip(places, CLASSIC, strict=True)))
    above, below = (any(caption.place == place for caption in captions) for place in places)
    size, top, slots = barred(film, above=above, below=below)
    return Page(size, top, dict(zip(places, slots, strict=True)))


@dataclass(frozen=True)
class Overlay:
    """The arguments that open a caption as an input, and the filter that lays it over what comes before."""

    source: list[str]
    filter: str
    block: Block


def overlays(captions: Sequence[Timed], page: Page, animation: Animation, folder: Path) -> list[Overlay]:
    """Draws the pictures into `folder`, in which ffmpeg must run. Raises InvalidInput for unreadable captions."""
    return [_overlay(caption, f"caption{number}", page, animation, folder) for number, caption in enumerate(captions)]


def _overlay(caption: Timed, name: str, page: Page, animation: Animation, folder: Path) -> Overlay:
    slot = page.slots[caption.place]
    block = lettered(caption.words, slot, page.size)
    left, top, right, bottom = motion.room(block, page.size)
    # Films keep colour for two pixels at a time: a caption between them would get a seam.
    edges = (left // 2 * 2, top // 2 * 2, right, bottom)
    count = _drawn(caption, Caption(block, slot.colour), edges, animation, folder / name)
    pictures = ["-f", "image2", "-framerate", str(motion.RATE), "-start_number", "0", "-i", f"{name}-%03d.png"]
    shift = ["-itsoffset", f"{caption.start:.3f}"] if count > 1 else []
    until = "" if caption.end is None else f"*lt(t,{caption.end:.3f})"
    during = f"enable='gte(t,{caption.start:.3f}){until}'"
    place = f"overlay={edges[0]}:{edges[1]}:format=auto:{during}"
    return Overlay([*shift, "-protocol_whitelist", "file,pipe", *pictures], place, block)


def _drawn(caption: Timed, shown: Caption, edges: Edges, animation: Animation, path: Path) -> int:
    """How many pictures: those of its arrival, and last the whole caption, which stays."""
    arriving: list[Image.Image] = []
    if caption.arrives:
        count = motion.moving_frames(caption.words, animation)
        arriving.extend(motion.appearing(shown, edges, animation, count))
    pictures = [*arriving, motion.layer_of(shown.block, shown.colour, edges)]
    for number, picture in enumerate(pictures):
        save(picture, path.parent, f"{path.name}-{number:03}", "png")
    return len(pictures)
