"""The video editor's engine: cuts, joins, speeds, texts, captions and sound, as the timeline says."""

import shutil
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from PIL import Image

from services.jobs.engines import ffmpeg, framing
from services.jobs.engines.extras import FFMPEG, FILM_READER
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import save
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, OutputFile, Quote, Tool
from services.jobs.engines.speech import sound
from services.jobs.engines.video_editor import graph, layers
from services.jobs.engines.video_editor.graph import Layer
from services.jobs.engines.video_editor.options import MAX_CLIPS, VideoEditorOptions
from services.jobs.engines.video_editor.soundtrack import soundtrack
from services.jobs.engines.video_editor.timeline import Part, parts_of, sent

_STANDARD = 1280 * 720


def run(ctx: Context, prompt: str | None, options: VideoEditorOptions) -> Output:
    """Make the film. Raises InvalidInput for a timeline that the files can't follow."""
    media = [given.media for given in ctx.inputs]
    quote(prompt, options, media)
    parts = parts_of(options, media)
    seconds = parts[-1].end / options.fps
    work = ctx.workdir / "parts"
    work.mkdir()
    ctx.progress(3, "mixing")
    mixed = soundtrack(parts, ctx.inputs, options, work)
    ctx.progress(15, "drawing")
    laid = _layers(ctx.inputs, options, seconds, work)
    file = _filmed(ctx, parts, laid, mixed, options)
    shutil.rmtree(work)
    ctx.progress(100, "done")
    shown = [{"input": part.clip.input, **_span(part, options.fps)} for part in parts]
    return Output([file], {"kind": "film", "seconds": round(seconds, 3), "clips": shown}, _units(seconds))


def _span(part: Part, fps: int) -> dict[str, float]:
    return {"start": round(part.start / fps, 3), "end": round(part.end / fps, 3)}


def _layers(inputs: Sequence[InputFile], options: VideoEditorOptions, seconds: float, work: Path) -> list[Layer]:
    """The logo lies under the texts, as words must be read."""
    laid = []
    if options.logo is not None:
        laid.append(layers.logo_layer(options.logo, inputs[options.logo.input], options, seconds, work))
    texts = enumerate(options.texts)
    laid += [layers.text_layer(text, number, options, seconds, work) for number, text in texts]
    if options.captions is not None:
        layers.write_captions(options.captions, options, work)
    return laid


def _filmed(
    ctx: Context, parts: Sequence[Part], laid: Sequence[Layer], mixed: Any, options: VideoEditorOptions
) -> OutputFile:
    work, seconds = ctx.workdir / "parts", parts[-1].end / options.fps
    path = ctx.workdir / "film.mp4"
    arguments = [word for number, part in enumerate(parts) for word in _opened(ctx, number, part, options)]
    arguments += [word for layer in laid for word in graph.still(layer.path)]
    heard: list[str] = []
    if mixed is not None:
        sound.write_wav(work / "mix.wav", mixed)
        arguments += ffmpeg.source(work / "mix.wav", "wav")
        heard = ["-map", f"{len(parts) + len(laid)}:a:0", *ffmpeg.AAC]
    whole = graph.picture(parts, laid, options, captioned=options.captions is not None)
    made = ["-filter_complex", whole, "-map", "[film]", *heard, *ffmpeg.H264, "-r", str(options.fps)]
    ffmpeg.run(
        [*arguments, *made, "-f", "mp4", str(path)],
        work,
        seconds=seconds,
        done=lambda share: ctx.progress(20 + round(share * 78), "filming"),
    )
    return OutputFile(path, path.name, "video", "video/mp4", *options.size, round(seconds, 3))


def _opened(ctx: Context, number: int, part: Part, options: VideoEditorOptions) -> list[str]:
    given = ctx.inputs[part.clip.input]
    if not part.is_still:
        return graph.source(part, given.path)
    # Turned the right way up, and no larger than the film can show.
    picture = framing.opaque(open_picture(given.path), options.ground)
    picture.thumbnail((2 * max(options.size),) * 2, Image.Resampling.LANCZOS)
    path = save(picture, ctx.workdir / "parts", f"still{number}", "png").path
    return graph.still(path, options.fps, part.frames / options.fps)


def check(_prompt: str | None, options: VideoEditorOptions, inputs: int) -> None:
    if not inputs:
        raise InvalidInput("Send the films and pictures of the timeline.", field="input_files")
    named = [(clip.input, f"options.clips.{number}.input") for number, clip in enumerate(options.clips)]
    named += [(options.logo.input, "options.logo.input")] if options.logo else []
    named += [(options.music.input, "options.music.input")] if options.music else []
    for number, field in named:
        sent([{}] * inputs, number, field)
    if options.captions is not None:
        layers.cues_of(options.captions)
    for number, text in enumerate(options.texts):
        if text.end is not None and text.end <= text.start:
            raise InvalidInput("The text ends before it begins.", field=f"options.texts.{number}.end")


def quote(prompt: str | None, options: VideoEditorOptions, media: Sequence[Mapping[str, Any]]) -> Quote:
    """Refuses what `run` would, now that it is known what the files are."""
    check(prompt, options, len(media))
    if options.logo and media[options.logo.input].get("kind", "image") != "image":
        raise InvalidInput("A logo is a picture.", field="options.logo.input")
    if options.music and not _sounds(media[options.music.input]):
        raise InvalidInput("There is no sound in this file.", field="options.music.input")
    parts = parts_of(options, media)
    seconds = parts[-1].end / options.fps
    width, height = options.size
    return Quote(_units(seconds), 2 + seconds * 0.35 * (width * height / _STANDARD) * (options.fps / 30))


def _sounds(media: Mapping[str, Any]) -> bool:
    return media.get("kind") == "audio" or bool(media.get("has_sound"))


def _units(seconds: float) -> dict[str, int]:
    return {"studio_jobs": 1, "export_seconds": ceil(seconds)}


def units(_options: VideoEditorOptions) -> dict[str, int]:
    """For a film of half a minute."""
    return _units(30)


def est_seconds(_options: VideoEditorOptions) -> float:
    return 12.0


TOOL = Tool(
    id="video-editor",
    family="studio",
    title="Video editor",
    description=(
        "A timeline becomes a film: films and pictures are trimmed, cropped, sped up or slowed down and joined, each "
        "fitted into 16:9, 9:16, 4:5 or square with a soft copy behind it, with transitions, texts, a logo, captions "
        "in four styles, and music that makes room for what is said. The sound is brought to -16 LUFS."
    ),
    lane="render",
    kind="film",
    options=VideoEditorOptions,
    accepts_inputs=MAX_CLIPS,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("video", "image", "audio"),
    needs_extras=True,
    parts=(FILM_READER, FFMPEG),
    quote=quote,
)
