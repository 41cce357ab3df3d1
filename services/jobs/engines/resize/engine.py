"""The resize engine: up to ten pictures at once, each in the size, shape and format asked for."""

from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import framing
from services.jobs.engines.framing import Colour, Focus
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import Format, save
from services.jobs.engines.protocol import Context, InvalidInput, Output, Tool

MAX_INPUTS = 10
MAX_SIDE = 6000  # 36 megapixels in the largest frame, which a child's memory holds several times over.


class ResizeOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"width": 1200, "height": 630, "fit": "cover"}]}
    )

    width: int | None = Field(1080, ge=1, le=MAX_SIDE, description="Pixels; null: follows the height.")
    height: int | None = Field(None, ge=1, le=MAX_SIDE, description="Pixels; null: follows the width.")
    fit: Literal["inside", "cover", "pad", "blur", "stretch"] = Field(
        "inside",
        description=(
            "When both sides are given: `inside` stays within them, `cover` cuts, `pad` and `blur` fill the rest with "
            "a colour or a blur of the picture, `stretch` distorts."
        ),
    )
    focus: Focus = Field("centre", description="What `cover` keeps.")
    background: Colour | None = Field(
        None, description="Behind transparent parts and `pad`; null: white, but transparency is kept where it can be."
    )
    enlarge: bool = Field(False, description="Whether a picture smaller than asked may be made larger by `inside`.")
    format: Format = "png"


def check(_prompt: str | None, options: ResizeOptions, inputs: int) -> None:
    if inputs < 1:
        raise InvalidInput("Send at least one picture to resize.", field="input_files")
    if options.width is None and options.height is None:
        raise InvalidInput("Give a width, a height or both.", field="options.width")


def run(ctx: Context, prompt: str | None, options: ResizeOptions) -> Output:
    """Resize every input. Raises InvalidInput for a picture that can't be opened or would become too long."""
    check(prompt, options, len(ctx.inputs))
    files, sizes = [], []
    for index, given in enumerate(ctx.inputs):
        ctx.progress(5 + 90 * index // len(ctx.inputs), f"picture {index + 1} of {len(ctx.inputs)}")
        picture = open_picture(given.path)
        made = resized(picture, options)
        files.append(save(made, ctx.workdir, f"resized-{index + 1}", options.format))
        sizes.append({"from": list(picture.size), "to": list(made.size)})
    ctx.progress(100, "done")
    return Output(files, {"sizes": sizes}, units(options))


def resized(picture: Image.Image, options: ResizeOptions) -> Image.Image:
    size = _frame(picture, options)
    if options.background or options.format == "jpeg":
        picture = framing.opaque(picture, options.background or "#ffffff")
    if options.fit == "inside" or options.width is None or options.height is None:
        return _scaled(picture, framing.whole_size(picture, size), enlarge=options.enlarge)
    if options.fit == "cover":
        return framing.filled(picture, size, options.focus)
    if options.fit == "pad":
        return framing.whole(picture, size, options.background or "#ffffff")
    if options.fit == "blur":
        return framing.whole_on_blur(picture, size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _frame(picture: Image.Image, options: ResizeOptions) -> tuple[int, int]:
    """The frame asked for, with the missing side in proportion."""
    width = options.width or max(1, round((options.height or 1) * picture.width / picture.height))
    height = options.height or max(1, round(width * picture.height / picture.width))
    if max(width, height) > MAX_SIDE:
        raise InvalidInput(f"A picture would get a side of more than {MAX_SIDE} pixels.", "INPUT_TOO_LARGE")
    return width, height


def _scaled(picture: Image.Image, size: tuple[int, int], *, enlarge: bool) -> Image.Image:
    if size[0] > picture.width and not enlarge:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def units(_options: ResizeOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(options: ResizeOptions) -> float:
    return 0.3 + 0.1 * (options.width or MAX_SIDE) / 1080


TOOL = Tool(
    id="resize",
    family="studio",
    title="Resize",
    description=(
        "Up to ten pictures in another size, shape or format: scaled, cut, or set on a colour or on a blur of "
        "themselves. Turned upright, without the metadata of the camera; of an animation, the first frame."
    ),
    lane="interactive",
    kind="edit",
    options=ResizeOptions,
    accepts_inputs=MAX_INPUTS,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
)
