"""The poster engine: a prompt's words in real typography over procedural art, the same for the same seed."""

import random
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import emoji, text, typeset
from services.jobs.engines.images import contrast, layouts, words
from services.jobs.engines.images.art import MOTIFS, Motif
from services.jobs.engines.images.layouts import LAYOUTS, Composition, LayoutId, Page
from services.jobs.engines.images.palettes import PALETTES, Palette, PaletteId
from services.jobs.engines.images.words import Copy
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import Format, save
from services.jobs.engines.protocol import Context, InvalidInput, Output, Tool
from services.jobs.engines.vector import covering, rasterise, svg

MAX_PROMPT = 800
SIZES = {
    "square": (1080, 1080),
    "portrait": (1080, 1350),
    "story": (1080, 1920),
    "landscape": (1920, 1080),
    "cover": (1600, 640),
}
_ROOMY = 90  # Letters beyond which the layouts with little room for words are not chosen by themselves.
_TIGHT: set[LayoutId] = {"badge", "headline", "banner"}
_GRAIN = 5.0  # Standard deviation of the film grain, on the scale to 255.


class TextOverrides(BaseModel):
    """Words to use in place of what the prompt would give; an empty one leaves its place empty."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, min_length=1, max_length=200)
    subtitle: str | None = Field(None, max_length=400)
    kicker: str | None = Field(None, max_length=80, description="The small line above the title.")
    footer: str | None = Field(None, max_length=160)


class ImageOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"layout": "card", "palette": "roast", "size": "portrait", "n": 2}]},
    )

    layout: LayoutId | None = Field(None, description="Left out: chosen by the seed and the length of the words.")
    palette: PaletteId | None = Field(None, description="Left out: chosen by the words of the prompt.")
    size: Literal["square", "portrait", "story", "landscape", "cover"] = "portrait"
    n: int = Field(1, ge=1, le=4, description="Variants, each with another layout and art.")
    text: TextOverrides = Field(default_factory=TextOverrides)
    format: Format = "png"


@dataclass(frozen=True)
class Design:
    """Every choice of one poster; the same design always gives the same pixels."""

    layout: LayoutId
    palette: Palette
    motif: Motif
    seed: str
    size: tuple[int, int]
    copy: Copy


def run(ctx: Context, prompt: str | None, options: ImageOptions) -> Output:
    """Make `options.n` posters. Raises InvalidInput for a prompt or picture that can't be used."""
    check(prompt, options, len(ctx.inputs))
    ctx.progress(3, "choosing a design")
    photo = open_picture(ctx.inputs[0].path).convert("RGB") if ctx.inputs else None
    files, reports = [], []
    for index, design in enumerate(designs(prompt or "", options, ctx.seed)):
        ctx.progress(5 + 90 * index // options.n, f"drawing {index + 1} of {options.n}")
        poster, measured = render(design, photo)
        files.append(save(poster, ctx.workdir, f"poster-{index + 1}", options.format))
        reports.append(_report(files[-1].name, design, measured, has_photo=photo is not None))
    ctx.progress(100, "done")
    missing = text.missing(prompt or "")
    has_emoji = any(emoji.match(prompt or "", index) for index in range(len(prompt or "")))
    credits_ = ["Emoji: Twemoji, CC BY 4.0"] if has_emoji else []
    data = {"kind": "design", "seed": ctx.seed, "variants": reports, "missing_characters": missing, "credits": credits_}
    return Output(files, data, units(options))


def designs(prompt: str, options: ImageOptions, seed: int) -> list[Design]:
    """The designs of a job: words choose palette and art where they can, the seed decides between equals."""
    copy = _copy(prompt, options.text)
    rng = random.Random(f"{seed}\n{prompt}")
    asked = words.asked(prompt)
    arrangements = _arrangements(copy, options, rng)
    palettes = [PALETTES[options.palette]] if options.palette else _ranked(list(PALETTES.values()), asked, rng)
    motifs = _ranked(list(MOTIFS), asked, rng)
    return [
        Design(
            arrangements[index % len(arrangements)],
            palettes[index % len(palettes)],
            motifs[index % len(motifs)],
            f"{seed}:{index}:{prompt}",
            SIZES[options.size],
            copy,
        )
        for index in range(options.n)
    ]


def _copy(prompt: str, given: TextOverrides) -> Copy:
    own = words.read(prompt)
    replaced = {role: text.clean(value).replace("\n", " ") for role, value in given if value is not None}
    return replace(own, **replaced)


def _arrangements(copy: Copy, options: ImageOptions, rng: random.Random) -> list[LayoutId]:
    if options.layout:
        return [options.layout]
    long = sum(len(value) for value in asdict(copy).values()) > _ROOMY
    tight = long or options.size == "cover"
    names = [name for name in LAYOUTS if not (tight and name in _TIGHT)]
    rng.shuffle(names)
    return names


def _ranked(choices: list[Any], asked: set[str], rng: random.Random) -> list[Any]:
    """Best match of words first; equals in the order of the seed."""
    rng.shuffle(choices)
    return sorted(choices, key=lambda choice: -len(choice.words & asked))


def render(design: Design, photo: Image.Image | None = None) -> tuple[Image.Image, dict[str, float]]:
    """The poster, and the worst contrast of each of its texts."""
    page = Page(*design.size, design.palette, design.copy)
    composition = LAYOUTS[design.layout](page)
    poster = backdrop(design, composition, photo)
    return poster, _write(poster, composition, page)


def backdrop(design: Design, composition: Composition, photo: Image.Image | None) -> Image.Image:
    """Everything but the words: ground, art in its shape, flat areas, and grain over all of it."""
    width, height = design.size
    poster = Image.new("RGB", design.size, composition.ground)
    box = composition.art
    size = (max(1, round(box.width)), max(1, round(box.height)))
    art = _art(design, size, photo)
    poster.paste(art, (round(box.x), round(box.y)), _shape(composition.shape, size))
    _add_grain(poster, design.seed)
    if composition.overlay:
        overlay = rasterise(svg(composition.overlay, width, height), width, height)
        poster.paste(overlay, (0, 0), overlay)
    return poster


def _art(design: Design, size: tuple[int, int], photo: Image.Image | None) -> Image.Image:
    if photo:
        return ImageOps.fit(photo, size, Image.Resampling.LANCZOS)
    drawing = design.motif.draw(random.Random(design.seed), design.palette)
    return rasterise(covering(drawing, 1000, *size), *size).convert("RGB")


def _shape(shape: layouts.Shape, size: tuple[int, int]) -> Image.Image:
    """The mask of the art, drawn at twice its size for smooth edges."""
    width, height = size[0] * 2, size[1] * 2
    mask = Image.new("L", (width, height), 255 if shape == "rect" else 0)
    pen = ImageDraw.Draw(mask)
    if shape == "circle":
        pen.ellipse((0, 0, width - 1, height - 1), fill=255)
    if shape == "arch":
        pen.ellipse((0, 0, width - 1, min(width, height) - 1), fill=255)
        pen.rectangle((0, min(width, height) // 2, width, height), fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def _add_grain(poster: Image.Image, seed: str) -> None:
    """Film grain from one tile that is repeated: it takes the plastic look off flat areas."""
    tile = np.random.default_rng(list(seed.encode())).normal(0, _GRAIN, (256, 256, 1))
    pixels = np.asarray(poster, dtype=np.int16)
    repeats = (-(-poster.height // 256), -(-poster.width // 256), 1)
    grain = np.tile(tile.astype(np.int16), repeats)[: poster.height, : poster.width]
    poster.paste(Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)))


def _write(poster: Image.Image, composition: Composition, page: Page) -> dict[str, float]:
    palette = page.palette
    measured: dict[str, float] = {}
    placed = []
    for slot in composition.slots:
        words_ = getattr(page.copy, slot.role)
        block = typeset.typeset(words_, slot.box, slot.style)
        if block is None:
            raise InvalidInput(f"The {slot.role} is too long for this layout and size.", "INPUT_TOO_LARGE")
        read = contrast.make_readable(poster, block, slot.colours, (palette.paper, palette.ink))
        placed.append((slot.role, block, read.colour))
    for role, block, colour in placed:
        # A later text's shade may have changed the ground of an earlier one, so measuring comes after all shading.
        measured[role] = round(contrast.worst(poster, block, colour), 2)
    for _, block, colour in placed:
        typeset.draw(poster, block, colour)
    return measured


def _report(name: str, design: Design, measured: dict[str, float], *, has_photo: bool) -> dict[str, Any]:
    return {
        "file": name,
        "layout": design.layout,
        "palette": design.palette.id,
        "art": "photo" if has_photo else design.motif.id,
        "text": asdict(design.copy),
        "contrast": measured,
        "contrast_min": min(measured.values()),
    }


def check(prompt: str | None, options: ImageOptions, inputs: int) -> None:
    """Refuse before a job is made what `run` would refuse: no words, too many, too many pictures."""
    if len(prompt or "") > MAX_PROMPT:
        raise InvalidInput(f"The prompt has more than {MAX_PROMPT} characters.", "INPUT_TOO_LARGE")
    if not text.clean(prompt or "") or not _copy(prompt or "", options.text).title:
        raise InvalidInput("Say what the poster is about.")
    if inputs > 1:
        raise InvalidInput("A poster takes at most one picture.")


def units(options: ImageOptions) -> dict[str, int]:
    return {"ai_generations": 1, "images": options.n}


def est_seconds(options: ImageOptions) -> float:
    width, height = SIZES[options.size]
    return 0.1 + 0.6 * options.n * width * height / 1_458_000


TOOL = Tool(
    id="images",
    family="ai",
    title="Images",
    description=(
        "Designed posters from your words: real typography over procedural art, or over your own picture. "
        "This is design made by rules, not a photo or painting generated by an image model. "
        "Put words in quotes to make them the title; ' | ' parts title, subtitle and footer."
    ),
    lane="interactive",
    kind="design",
    options=ImageOptions,
    accepts_inputs=1,
    needs_prompt=True,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
)
