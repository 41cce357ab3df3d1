"""The collage engine: two to nine pictures on one sheet, with gutters and round corners."""

from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.collage.layouts import LAYOUTS
from services.jobs.engines.framing import Colour, Focus, filled, opaque, paste_rounded
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import Format, save
from services.jobs.engines.protocol import Context, InvalidInput, Output, Tool
from services.jobs.engines.typeset import Box

MIN_INPUTS, MAX_INPUTS = 2, 9
SIZES = {"square": (1080, 1080), "portrait": (1080, 1350), "story": (1080, 1920), "landscape": (1600, 900)}
_KEPT = 3000  # The longest side a picture is kept at while the others are opened; none is shown larger.
_LONGEST = 3.0  # A longer strip is cut to this shape, or it would leave its neighbours a sliver.


class CollageOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"layout": "feature", "size": "portrait", "radius": 24}]}
    )

    layout: Literal["mosaic", "grid", "feature", "row", "column"] = Field(
        "mosaic", description="`mosaic` keeps the pictures' own shapes as far as it can; `feature` shows one large."
    )
    size: Literal["square", "portrait", "story", "landscape"] = Field(
        "square", description="1080x1080, 1080x1350, 1080x1920 or 1600x900 pixels."
    )
    gutter: int = Field(16, ge=0, le=80, description="Pixels between the pictures.")
    margin: int = Field(16, ge=0, le=160, description="Pixels around them.")
    radius: int = Field(0, ge=0, le=200, description="Pixels of round corners.")
    background: Colour = "#ffffff"
    focus: Focus = Field("centre", description="What is kept where a picture must be cut.")
    format: Format = "jpeg"


def check(_prompt: str | None, _options: CollageOptions, inputs: int) -> None:
    if inputs < MIN_INPUTS:
        raise InvalidInput(f"A collage needs at least {MIN_INPUTS} pictures.", field="input_files")


def run(ctx: Context, prompt: str | None, options: CollageOptions) -> Output:
    """Make one sheet of all inputs, in their order. Raises InvalidInput for a picture that can't be opened."""
    check(prompt, options, len(ctx.inputs))
    pictures = []
    for index, given in enumerate(ctx.inputs):
        ctx.progress(5 + 60 * index // len(ctx.inputs), f"picture {index + 1} of {len(ctx.inputs)}")
        picture = open_picture(given.path)
        picture.thumbnail((_KEPT, _KEPT), Image.Resampling.LANCZOS)
        pictures.append(opaque(picture, options.background))
    ctx.progress(70, "arranging")
    page, places = arranged(pictures, options)
    saved = save(page, ctx.workdir, "collage", options.format)
    ctx.progress(100, "done")
    return Output([saved], {"layout": options.layout, "places": places}, units(options))


def arranged(pictures: list[Image.Image], options: CollageOptions) -> tuple[Image.Image, list[list[int]]]:
    """The sheet, and where each picture is on it: left, top, right, bottom in pixels."""
    page = Image.new("RGB", SIZES[options.size], options.background)
    ratios = [min(max(picture.width / picture.height, 1 / _LONGEST), _LONGEST) for picture in pictures]
    places = []
    for picture, box in zip(pictures, LAYOUTS[options.layout](ratios, page.width / page.height), strict=True):
        left, top, right, bottom = _pixels(box, page.size, options)
        shown = filled(picture, (right - left, bottom - top), options.focus)
        paste_rounded(page, shown, (left, top), options.radius)
        places.append([left, top, right, bottom])
    return page, places


def _pixels(box: Box, size: tuple[int, int], options: CollageOptions) -> tuple[int, int, int, int]:
    """Each box loses a gutter at its right and bottom, in a field that is a gutter larger: so no edge has one."""
    wide = size[0] - 2 * options.margin + options.gutter
    high = size[1] - 2 * options.margin + options.gutter
    left, top = options.margin + round(box.x * wide), options.margin + round(box.y * high)
    right = options.margin + round(box.right * wide) - options.gutter
    bottom = options.margin + round(box.bottom * high) - options.gutter
    return left, top, right, bottom


def units(_options: CollageOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(_options: CollageOptions) -> float:
    return 0.4


TOOL = Tool(
    id="collage",
    family="studio",
    title="Collage",
    description=(
        "Two to nine pictures on one sheet: a mosaic that cuts as little as it can, a grid, a strip, or one picture "
        "large beside the others; with gutters, margins and round corners."
    ),
    lane="interactive",
    kind="edit",
    options=CollageOptions,
    accepts_inputs=MAX_INPUTS,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
)
