"""The thumbnail engine: a cover from a film or a picture."""

from typing import Annotated

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import framing
from services.jobs.engines.extras import FILM_READER
from services.jobs.engines.film.frames import appeal, frames_at
from services.jobs.engines.framing import Focus
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import Format, save
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, Tool

MAX_SIDE = 4096
CANDIDATES = 12

Side = Annotated[int, Field(ge=16, le=MAX_SIDE, description="Pixels.")]


class ThumbnailOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"at_seconds": 3.5}]})

    at_seconds: float | None = Field(
        None, ge=0, description="The moment of the film; null: the sharpest and best lit of twelve across it."
    )
    width: Side = 1280
    height: Side = 720
    focus: Focus = Field("centre", description="What is kept when the frame is cut to the shape.")
    format: Format = "jpeg"


def check(_prompt: str | None, options: ThumbnailOptions, inputs: int) -> None:
    if inputs != 1:
        raise InvalidInput("Send one film or one picture.", field="input_files")
    del options


def run(ctx: Context, prompt: str | None, options: ThumbnailOptions) -> Output:
    """Make the cover. Raises InvalidInput for a moment behind the film's end and for what has no picture."""
    check(prompt, options, len(ctx.inputs))
    ctx.progress(5, "looking")
    picture, moment = _picture_of(ctx.inputs[0], options.at_seconds)
    ctx.progress(70, "cutting")
    made = framing.filled(framing.opaque(picture), (options.width, options.height), options.focus)
    file = save(made, ctx.workdir, "thumbnail", options.format)
    ctx.progress(100, "done")
    return Output([file], {"at_seconds": moment}, units(options))


def _picture_of(given: InputFile, at: float | None) -> tuple[Image.Image, float | None]:
    kind = given.media.get("kind", "image")
    if kind == "image":
        return open_picture(given.path), None
    if kind != "video":
        raise InvalidInput("A sound has no picture: send a film or a picture.", field="input_files")
    seconds = float(given.media["duration"])
    if at is not None:
        if at > seconds:
            raise InvalidInput(f"The film is {seconds:.1f} seconds long.", field="options.at_seconds")
        return frames_at(given, [at])[0], at
    return _best(given, seconds)


def _best(film: InputFile, seconds: float) -> tuple[Image.Image, float]:
    """The most appealing of some frames, none from the very ends, where films fade."""
    moments = [seconds * (index + 1) / (CANDIDATES + 1) for index in range(CANDIDATES)]
    frames = frames_at(film, moments)
    best = max(range(CANDIDATES), key=lambda index: appeal(frames[index]))
    return frames[best], round(moments[best], 3)


def units(_options: ThumbnailOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(options: ThumbnailOptions) -> float:
    return 0.5 if options.at_seconds is not None else 2.0


TOOL = Tool(
    id="thumbnail",
    family="studio",
    title="Thumbnail",
    description=(
        "A cover from a film, at a moment you name or the best of twelve across it (sharp, well lit), or from a "
        "picture; cut to the size of the page it is for."
    ),
    lane="interactive",
    kind="edit",
    options=ThumbnailOptions,
    accepts_inputs=1,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("image", "video"),
    needs_extras=True,
    parts=(FILM_READER,),
)
