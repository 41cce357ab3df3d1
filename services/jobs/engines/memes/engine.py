"""The meme engine: captions on the user's pictures or on one of our drawn templates."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from PIL import Image, ImageOps

from services.jobs.engines import typeset
from services.jobs.engines.framing import opaque
from services.jobs.engines.media import open_picture
from services.jobs.engines.memes import film, filming, motion, templates
from services.jobs.engines.memes.bars import PAPER, barred
from services.jobs.engines.memes.lettering import lettered, report
from services.jobs.engines.memes.options import MAX_CAPTIONS, MemeOptions, captions, check
from services.jobs.engines.memes.templates import CLASSIC, TEMPLATES, Slot
from services.jobs.engines.output import save
from services.jobs.engines.protocol import Context, InvalidInput, Output, OutputFile, Quote, Tool
from services.jobs.engines.shapes import INK
from services.jobs.engines.typeset import Block, Box

_NARROWEST, _TALLEST = 0.45, 2.0  # Height over width of a picture; beyond that it is set on a dark ground.
_PANEL_RATIO, _GUTTER = 0.62, 0.012
_ZOOM = 0.2  # How much closer each panel goes when one picture fills several.


@dataclass(frozen=True)
class Sheet:
    """The picture to write on, and each caption with its place."""

    picture: Image.Image
    written: list[tuple[str, Slot]]
    layout: str


def run(ctx: Context, prompt: str | None, options: MemeOptions) -> Output:
    """Make one meme. Raises InvalidInput for pictures or captions that can't be used."""
    check(prompt, options, len(ctx.inputs))
    wanted = captions(prompt, options)
    if filming.moves(options, [given.media for given in ctx.inputs]):
        return filming.run(ctx, wanted, options)
    ctx.progress(5, "reading the picture" if ctx.inputs else "drawing the scene")
    template = None if ctx.inputs else (options.template or _suited(wanted, ctx.seed))
    sheet = _sheet(ctx, wanted, template, options)
    ctx.progress(50, "setting the captions")
    bare = sheet.picture.copy() if options.moves else None
    blocks = write(sheet)
    ctx.progress(60 if bare else 80, "saving")
    saved = _moving(ctx, bare, sheet, blocks, options) if bare else _still(ctx, sheet, options)
    ctx.progress(100, "done")
    return Output([saved], report(sheet.layout, template, wanted, blocks), _used(wanted, options))


def _still(ctx: Context, sheet: Sheet, options: MemeOptions) -> OutputFile:
    form: Any = options.format or "png"
    return save(sheet.picture, ctx.workdir, "meme", form)


def _moving(ctx: Context, bare: Image.Image, sheet: Sheet, blocks: list[Block], options: MemeOptions) -> OutputFile:
    written = [(caption, slot.colour) for caption, slot in sheet.written if caption]
    parts = [(words, motion.Caption(block, colour)) for (words, colour), block in zip(written, blocks, strict=True)]
    shots = motion.shots(bare, parts, options.animation, options.hold_seconds)
    count = motion.frames_of([words for words, _ in written], options.animation, options.hold_seconds)

    def told(made: int) -> None:
        ctx.progress(60 + round(min(1.0, made / count) * 38), "animating")

    path = ctx.workdir / f"meme.{options.format}"
    if options.format == "gif":
        return film.write_gif(path, shots, sheet.picture, told)
    return film.write_mp4(path, shots, bare.size, told)


def _sheet(ctx: Context, wanted: list[str], template: str | None, options: MemeOptions) -> Sheet:
    if template and options.layout == "auto" and len(wanted) <= len(TEMPLATES[template].slots):
        picture = templates.drawn(template, options.width).copy()
        return Sheet(picture, list(zip(wanted, TEMPLATES[template].slots, strict=False)), "template")
    pictures = [_picture(ctx, index, template, options.width) for index in range(max(1, len(ctx.inputs)))]
    layout = options.layout
    if layout == "auto":
        layout = "top-bottom" if len(wanted) <= 2 and len(pictures) == 1 else "panels"
    if layout == "panels":
        return _panels(pictures, wanted, options.width)
    if layout == "caption-bar":
        return _barred(pictures[0], wanted)
    return Sheet(pictures[0], list(zip(wanted, CLASSIC, strict=False)), layout)


def _suited(wanted: list[str], seed: int) -> str:
    """A template with as many places as there are captions, or any; the seed and the words choose among them."""
    exact = [name for name, template in TEMPLATES.items() if len(template.slots) == len(wanted)]
    return random.Random(f"{seed}:{wanted}").choice(exact or list(TEMPLATES))


def _picture(ctx: Context, index: int, template: str | None, width: int) -> Image.Image:
    if template:
        return templates.drawn(template, width).copy()
    opened = open_picture(ctx.inputs[index].path)
    ratio = opened.height / opened.width
    kept = min(max(ratio, _NARROWEST), _TALLEST)
    size = (width, round(width * kept))
    if ratio != kept:
        return ImageOps.pad(opaque(opened), size, Image.Resampling.LANCZOS, color="#16131f")
    return opaque(opened.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))


def _panels(pictures: list[Image.Image], wanted: list[str], width: int) -> Sheet:
    """Panels one under another; a single picture is shown ever closer."""
    height, gutter = round(width * _PANEL_RATIO), max(2, round(width * _GUTTER))
    total = len(wanted) * (height + gutter) - gutter
    page = Image.new("RGB", (width, total), INK)
    written = []
    for index, caption in enumerate(wanted):
        top = index * (height + gutter)
        page.paste(_panel(pictures, index, (width, height)), (0, top))
        box = Box(0.04, (top + height * 0.6) / total, 0.92, height * 0.36 / total)
        written.append((caption, templates.outlined(box, "bottom")))
    return Sheet(page, written, "panels")


def _panel(pictures: list[Image.Image], index: int, size: tuple[int, int]) -> Image.Image:
    if len(pictures) > 1:
        return ImageOps.fit(pictures[index % len(pictures)], size, Image.Resampling.LANCZOS)
    picture, share = pictures[0], (1 - _ZOOM) ** index
    width, height = picture.width * share, picture.height * share
    left, top = (picture.width - width) / 2, (picture.height - height) * 0.42
    closer = picture.crop((round(left), round(top), round(left + width), round(top + height)))
    return ImageOps.fit(closer, size, Image.Resampling.LANCZOS, centering=(0.5, 0.42))


def _barred(picture: Image.Image, wanted: list[str]) -> Sheet:
    """The picture between white bars, a bar for each caption that has words."""
    above, below = (bool(caption) for caption in (*wanted, "")[:2])
    size, top, slots = barred(picture.size, above=above, below=below)
    page = Image.new("RGB", size, PAPER)
    page.paste(picture, (0, top))
    return Sheet(page, list(zip(wanted, slots, strict=False)), "caption-bar")


def write(sheet: Sheet) -> list[Block]:
    """Draw the captions onto the sheet's picture and say where each went. Raises InvalidInput if one can't fit."""
    blocks = []
    for caption, slot in sheet.written:
        if not caption:
            continue
        block = lettered(caption, slot, sheet.picture.size)
        typeset.draw(sheet.picture, block, slot.colour, INK)
        blocks.append(block)
    return blocks


def units(_options: MemeOptions) -> dict[str, int]:
    return {"ai_generations": 1, "images": 1}


def _used(wanted: Sequence[str], options: MemeOptions) -> dict[str, int]:
    if options.format != "mp4":
        return units(options)
    frames = motion.frames_of(wanted, options.animation, options.hold_seconds)
    return {**units(options), "export_seconds": ceil(frames / motion.RATE)}


def est_seconds(options: MemeOptions) -> float:
    return (2.5 if options.moves else 0.15) * max(1.0, (options.width / 1080) ** 2)


def quote(prompt: str | None, options: MemeOptions, media: Sequence[Mapping[str, Any]]) -> Quote:
    """Refuses what `run` would, now that it is known what the files are."""
    wanted = captions(prompt, options)
    if filming.moves(options, media):
        return filming.quote(wanted, options, media)
    if options.times:
        raise InvalidInput("Times are for captions on a film or an animated picture.", field="options.times")
    return Quote(_used(wanted, options), est_seconds(options))


TOOL = Tool(
    id="memes",
    family="ai",
    title="Memes",
    description=(
        "Captions on your own picture or on one of our drawn templates, set large, outlined and never cut. "
        "Separate captions by ' | '. As a GIF or a film they appear one after another. On your own film or animated "
        "picture they stay, or come and go at times that you give; it keeps its pace and its sound. "
        "Made by typesetting and drawing, not by an image model."
    ),
    lane="interactive",
    kind="design",
    options=MemeOptions,
    accepts_inputs=MAX_CAPTIONS,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("image", "video"),
    quote=quote,
)
