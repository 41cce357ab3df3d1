"""The background engine: the plain background of a picture is taken away or replaced."""

from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import framing
from services.jobs.engines.background.plain import subject_mask
from services.jobs.engines.framing import Colour
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import Format, save
from services.jobs.engines.protocol import Context, InvalidInput, Output, Tool

MAX_SIDE = 3000

Ground = Literal["transparent", "colour", "gradient", "picture"]


class BackgroundOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"ground": "gradient", "colour": "#fde68a", "colour_below": "#f472b6"}]},
    )

    ground: Ground = Field("transparent", description="What comes behind; picture: the second file, cut to cover.")
    colour: Colour = Field("#ffffff", description="Of the new background, or of a gradient's top.")
    colour_below: Colour = Field("#c7d2fe", description="Of a gradient's bottom.")
    tolerance: float = Field(
        40, ge=5, le=120, description="How far colours of the old background may differ, 0 to 255."
    )
    format: Format = "png"


def check(_prompt: str | None, options: BackgroundOptions, inputs: int) -> None:
    wanted = 2 if options.ground == "picture" else 1
    if inputs != wanted:
        raise InvalidInput(f"Send {wanted} picture{'s' * (wanted - 1)} for this background.", field="input_files")
    if options.ground == "transparent" and options.format == "jpeg":
        raise InvalidInput("JPEG has no transparency: take PNG or WebP.", field="options.format")


def run(ctx: Context, prompt: str | None, options: BackgroundOptions) -> Output:
    """Make the picture. Raises InvalidInput where the background isn't plain, as nothing good could come of it."""
    check(prompt, options, len(ctx.inputs))
    ctx.progress(5, "looking")
    picture = framing.opaque(open_picture(ctx.inputs[0].path))
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    mask = subject_mask(picture, options.tolerance)
    ctx.progress(60, "replacing")
    file = save(_composed(ctx, picture, mask, options), ctx.workdir, "background", options.format)
    ctx.progress(100, "done")
    kept = sum(level * count for level, count in enumerate(mask.histogram())) / 255 / (mask.width * mask.height)
    return Output([file], {"method": "plain background by colour", "subject_share": round(kept, 4)}, units(options))


def _composed(ctx: Context, picture: Image.Image, mask: Image.Image, options: BackgroundOptions) -> Image.Image:
    if options.ground == "transparent":
        picture.putalpha(mask)
        return picture
    return Image.composite(picture, _ground(ctx, picture.size, options), mask)


def _ground(ctx: Context, size: tuple[int, int], options: BackgroundOptions) -> Image.Image:
    if options.ground == "picture":
        return framing.filled(framing.opaque(open_picture(ctx.inputs[1].path)), size)
    if options.ground == "colour":
        return Image.new("RGB", size, options.colour)
    shades = Image.linear_gradient("L").resize(size)
    return Image.composite(Image.new("RGB", size, options.colour_below), Image.new("RGB", size, options.colour), shades)


def units(_options: BackgroundOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(_options: BackgroundOptions) -> float:
    return 1.5


TOOL = Tool(
    id="background",
    family="studio",
    title="Background",
    description=(
        "Takes a plain background away (one colour or a soft gradient, as in studio and product pictures), or puts a "
        "colour, a gradient or another picture behind. It follows colour and does not recognise people or things: a "
        "busy background is refused."
    ),
    lane="interactive",
    kind="edit",
    options=BackgroundOptions,
    accepts_inputs=2,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
)
