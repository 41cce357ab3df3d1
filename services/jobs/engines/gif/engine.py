"""The GIF engine: a loop from a part of a film, or from pictures one after another, with a palette of its own."""

import shutil
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Literal

from PIL import Image, ImageSequence
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import ffmpeg, framing
from services.jobs.engines.extras import FFMPEG, FILM_READER
from services.jobs.engines.framing import Colour
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import save
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, OutputFile, Quote, Tool

MAX_PICTURES = 30
MAX_SECONDS = 15.0
# The format counts a frame's time in hundredths of a second, and players slow down what is shorter than two of them.
TICKS_A_SECOND = 100

# All frames wait in memory, at four bytes a pixel, until the palette is counted.
MAX_PIXELS = 100_000_000

Play = Literal["forward", "boomerang"]


class GifOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"start": 1.5, "seconds": 3, "width": 480}, {"seconds_per_picture": 0.5}]},
    )

    start: float = Field(0, ge=0, description="Where the loop begins in the film, in seconds.")
    seconds: float = Field(4, ge=0.2, le=MAX_SECONDS, description="How much of the film; less if the film ends before.")
    seconds_per_picture: float = Field(0.6, ge=0.04, le=5, description="How long each picture stays; for pictures.")
    width: int = Field(480, ge=32, le=1080, description="Pixels; the height follows, and films are never enlarged.")
    fps: Literal[5, 10, 20, 25] = Field(10, description="Of a film, pictures a second; the format times no others.")
    colours: int = Field(256, ge=8, le=256, description="Fewer make a smaller file.")
    dither: bool = Field(True, description="Mix colours in dots, so that gradients don't show bands.")
    play: Play = Field("forward", description="A boomerang runs to its end and back.")
    repeats: int = Field(0, ge=0, le=100, description="How often it plays again; 0: for ever.")
    ground: Colour = Field("#ffffff", description="Behind transparent pictures, and beside those of another shape.")


def check(_prompt: str | None, options: GifOptions, inputs: int) -> None:
    if not inputs:
        raise InvalidInput("Send one film, or up to thirty pictures.", field="input_files")
    if inputs * options.seconds_per_picture > MAX_SECONDS and inputs > 1:
        raise InvalidInput(f"A loop may be {MAX_SECONDS:.0f} seconds long.", field="options.seconds_per_picture")


def run(ctx: Context, prompt: str | None, options: GifOptions) -> Output:
    """Make the loop. Raises InvalidInput for a mixture of films and pictures and for a start behind the film's end."""
    check(prompt, options, len(ctx.inputs))
    _refuse_unsuitable([given.media for given in ctx.inputs], options)
    ctx.progress(5, "reading")
    file = _of_film(ctx, ctx.inputs[0], options) if _is_film(ctx.inputs[0].media) else _of_pictures(ctx, options)
    ctx.progress(100, "done")
    return Output([file], {"frames_per_second": _rate(ctx.inputs[0].media, options)}, units(options))


def _refuse_unsuitable(media: Sequence[Mapping[str, Any]], options: GifOptions) -> None:
    _refuse_mixture(media)
    if _is_film(media[0]) and options.start >= float(media[0]["duration"]):
        raise InvalidInput(f"The film is {media[0]['duration']:.1f} seconds long.", field="options.start")
    width, height = _size_of(media[0], options)
    if _frames(media, options) * width * height > MAX_PIXELS:
        raise InvalidInput("That is too large a loop: make it smaller, shorter or slower.", field="options.width")


def _is_film(media: Mapping[str, Any]) -> bool:
    return bool(media.get("kind") == "video")


def _refuse_mixture(media: Sequence[Mapping[str, Any]]) -> None:
    films = sum(_is_film(one) for one in media)
    if films and len(media) > 1:
        raise InvalidInput("Send one film or several pictures, not both.", field="input_files")
    if not films and len(media) < 2:
        raise InvalidInput("A loop needs two pictures at least, or a film.", field="input_files")


def _rate(media: Mapping[str, Any], options: GifOptions) -> float:
    if _is_film(media):
        return float(options.fps)
    return round(TICKS_A_SECOND / _ticks(options), 3)


def _size_of(media: Mapping[str, Any], options: GifOptions) -> tuple[int, int]:
    """In the shape of the film or of the first picture, which a viewer takes for the loop's own."""
    width = min(options.width, int(media["width"])) if _is_film(media) else options.width
    return width, max(1, round(width * media["height"] / media["width"]))


def _frames(media: Sequence[Mapping[str, Any]], options: GifOptions) -> int:
    """How many there will be at most."""
    there = ceil(_length(media[0], options) * options.fps) if _is_film(media[0]) else len(media)
    return there * 2 if options.play == "boomerang" else there


def _length(film: Mapping[str, Any], options: GifOptions) -> float:
    return min(float(film["duration"]) - options.start, options.seconds)


def _ticks(options: GifOptions) -> int:
    return round(options.seconds_per_picture * TICKS_A_SECOND)


def _of_film(ctx: Context, film: InputFile, options: GifOptions) -> OutputFile:
    size = _size_of(film.media, options)
    cut = ("-ss", f"{options.start:.3f}", "-t", f"{_length(film.media, options):.3f}")
    source = [*cut, *ffmpeg.source(film.path, film.media["demuxer"])]
    return _encoded(ctx, source, f"fps={options.fps},scale={size[0]}:{size[1]}:flags=lanczos,", size, options)


def _of_pictures(ctx: Context, options: GifOptions) -> OutputFile:
    folder = ctx.workdir / "pictures"
    folder.mkdir()
    size = _size_of(ctx.inputs[0].media, options)
    for number, given in enumerate(ctx.inputs):
        save(framing.whole(open_picture(given.path), size, options.ground), folder, f"{number:03}", "png")
        ctx.progress(5 + 35 * (number + 1) // len(ctx.inputs), "fitting pictures")
    rate = ("-protocol_whitelist", "file,pipe", "-f", "image2", "-framerate", f"{TICKS_A_SECOND}/{_ticks(options)}")
    file = _encoded(ctx, [*rate, "-i", str(folder / "%03d.png")], "", size, options)
    shutil.rmtree(folder)
    return file


def _encoded(
    ctx: Context, source: Sequence[str], fitted: str, size: tuple[int, int], options: GifOptions
) -> OutputFile:
    """One pass: the palette is counted over all frames, then each is drawn with it."""
    ctx.progress(45, "choosing colours")
    path = ctx.workdir / "loop.gif"
    loop = ("-loop", str(options.repeats), "-f", "gif", str(path))
    ffmpeg.run([*source, "-an", "-filter_complex", _graph(fitted, options), *loop], ctx.workdir)
    return OutputFile(path, path.name, "image", "image/gif", *size, _seconds_of(path))


def _graph(fitted: str, options: GifOptions) -> str:
    """Numbers and names of ours only: nothing that a user wrote is in a filter."""
    # The way back leaves out both ends, as they would be shown twice.
    there = f"[0:v]{fitted}format=rgb24"
    if options.play == "boomerang":
        ends = "trim=start_frame=1,setpts=PTS-STARTPTS"
        there += f",split[go][turn];[turn]{ends},reverse,{ends}[back];[go][back]concat=n=2:v=1"
    dither = "sierra2_4a" if options.dither else "none"
    palette = f"palettegen=max_colors={options.colours}:reserve_transparent=0:stats_mode=full"
    return f"{there},split[all][count];[count]{palette}[palette];[all][palette]paletteuse=dither={dither}"


def _seconds_of(path: Path) -> float:
    with Image.open(path) as loop:
        return float(sum(frame.info["duration"] for frame in ImageSequence.Iterator(loop))) / 1000


def units(_options: GifOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(options: GifOptions) -> float:
    return 0.5 + options.seconds * options.fps * (options.width / 480) ** 2 * 0.02


def quote(_prompt: str | None, options: GifOptions, media: Sequence[Mapping[str, Any]]) -> Quote:
    """Refuses what `run` would, now that it is known what the files are."""
    _refuse_unsuitable(media, options)
    return Quote(units(options), est_seconds(options))


TOOL = Tool(
    id="gif",
    family="studio",
    title="GIF",
    description=(
        "A loop from a part of a film, or from up to thirty pictures: with a palette counted over all of its frames, "
        "forward or as a boomerang."
    ),
    lane="interactive",
    kind="edit",
    options=GifOptions,
    accepts_inputs=MAX_PICTURES,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("image", "video"),
    needs_extras=True,
    parts=(FILM_READER, FFMPEG),
    quote=quote,
)
