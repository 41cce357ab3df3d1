"""Captions over a film or an animated picture that was sent: its pace, its length and its sound stay as they are."""

import shutil
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Literal, cast

from services.jobs.engines import extras, ffmpeg
from services.jobs.engines.media import probe_image
from services.jobs.engines.memes.bars import PAPER
from services.jobs.engines.memes.lettering import report
from services.jobs.engines.memes.loops import write_film
from services.jobs.engines.memes.options import LOOP_WIDTH, WIDEST_MOVING, MemeOptions
from services.jobs.engines.memes.overlays import Overlay, Page, overlays, page_of
from services.jobs.engines.memes.timing import Timed, timed
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, OutputFile, Quote

Media = Mapping[str, Any]
Form = Literal["gif", "webp", "mp4"]

MAX_SECONDS, MAX_FRAMES, TALLEST = 60.0, 3600, 1920
# All frames of a loop wait in memory, at four bytes a pixel, until its colours are counted.
MAX_LOOP_PIXELS = 100_000_000
# Players slow down a loop that changes faster, and every picture of a loop costs bytes.
LOOP_RATE = 25
_BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
# Every frame stays as long as it did: neither doubled nor dropped, and timed as finely as in the upload.
_SAME_PACE = ("-fps_mode", "vfr", "-enc_time_base", "demux")
# Seconds of work for a second of a film of a megapixel.
_WORK: dict[Form, float] = {"mp4": 0.6, "gif": 2.5, "webp": 3.0}


def moves(options: MemeOptions, media: Sequence[Media]) -> bool:
    """Whether the captions go over something that moves. A single picture is taken of one only if that was asked."""
    if any(one.get("kind") == "video" for one in media):
        return True
    return len(media) == 1 and media[0].get("frames", 1) > 1 and options.format in (None, "gif", "webp", "mp4")


def run(ctx: Context, captions: list[str], options: MemeOptions) -> Output:
    """Raises InvalidInput for what `quote` refuses, and for captions that can't be read in their places."""
    [given] = ctx.inputs
    shown = _checked(captions, options, [given.media])
    extras.join()
    ctx.progress(10, "setting the captions")
    film = _size(given.media, options)
    page = page_of(film, shown, bars=options.layout == "caption-bar")
    folder = ctx.workdir / "captions"
    folder.mkdir()
    laid = overlays(shown, page, options.animation, folder)
    file = _filmed(ctx, film, page, laid, options, folder)
    shutil.rmtree(folder)
    ctx.progress(100, "done")
    layout = "top-bottom" if options.layout == "auto" else options.layout
    return Output([file], report(layout, None, captions, [one.block for one in laid]), units(given.media, options))


def _filmed(
    ctx: Context, film: tuple[int, int], page: Page, laid: Sequence[Overlay], options: MemeOptions, folder: Path
) -> OutputFile:
    [given] = ctx.inputs
    form, seconds = _form(given.media, options), float(given.media["duration"])
    path = ctx.workdir / f"meme.{form}"
    sources = [*_source(given, folder), *(word for one in laid for word in one.source)]
    graph = ["-filter_complex", _graph(given.media, film, page, laid, form), "-map", "[done]"]
    ffmpeg.run(
        [*sources, *graph, *_encoding(given.media, form), *_SAME_PACE, "-f", form, str(path)],
        folder,
        seconds=seconds,
        done=lambda share: ctx.progress(20 + round(share * 78), "filming"),
    )
    if form == "mp4":
        return OutputFile(path, path.name, "video", "video/mp4", *page.size, seconds)
    # A film's sound may be longer than its pictures, and a loop has none; a loop of one picture has no time.
    shown = probe_image(path).get("duration", seconds)
    return OutputFile(path, path.name, "image", f"image/{form}", *page.size, shown)


def _source(given: InputFile, folder: Path) -> list[str]:
    if not _is_picture(given.media):
        return ffmpeg.source(given.path, given.media["demuxer"])
    write_film(given.path, folder / "loop.mov")
    return ffmpeg.source(folder / "loop.mov", "mov")


def _graph(media: Media, film: tuple[int, int], page: Page, laid: Sequence[Overlay], form: Form) -> str:
    """Numbers and names of ours only: nothing that a user wrote is in a filter."""
    matrix = ":out_color_matrix=bt709:out_range=tv" if form == "mp4" and _is_picture(media) else ""
    steps = []
    if form != "mp4" and not _is_picture(media) and media["fps"] > LOOP_RATE:
        steps.append(f"fps={LOOP_RATE}")
    steps += [f"scale={film[0]}:{film[1]}:flags=bicubic{matrix}", "setsar=1"]
    steps.append("format=yuv420p" if form == "mp4" else "format=rgb24")
    if page.size != film:
        steps.append(f"pad={page.size[0]}:{page.size[1]}:0:{page.top}:color=0x{PAPER[1:]}")
    chains = [f"[0:v:0]{','.join(steps)}[s0]"]
    for number, one in enumerate(laid):
        # The last picture of a caption goes on for ever, and the film's end is the end of both.
        chains.append(f"[{number + 1}:v]tpad=stop=-1:stop_mode=clone[c{number}]")
        chains.append(f"[s{number}][c{number}]{one.filter}:shortest=1[s{number + 1}]")
    return ";".join([*chains, f"[s{len(laid)}]{_COLOURED[form]}[done]"])


# Dots that mix colours stay where they are from frame to frame, so that what rests in the film rests in the loop.
_COLOURED: dict[Form, str] = {
    "mp4": "null",
    "webp": "null",
    "gif": "split[all][count];[count]palettegen=reserve_transparent=0[palette];"
    "[all][palette]paletteuse=dither=bayer:bayer_scale=3:diff_mode=rectangle",
}


def _encoding(media: Media, form: Form) -> list[str]:
    if form == "gif":
        return ["-an", "-loop", "0"]
    if form == "webp":
        return ["-an", "-c:v", "libwebp_anim", "-quality", "82", "-compression_level", "2", "-loop", "0"]
    if _is_picture(media):
        # Frames that wait for later ones would take the last one's time with them.
        return ["-an", *ffmpeg.H264, "-bf", "0", *_BT709]
    return ["-map", "0:a:0?", *ffmpeg.H264, *ffmpeg.AAC]


def quote(captions: list[str], options: MemeOptions, media: Sequence[Media]) -> Quote:
    """Refuses, before anything is decoded, what is too long, too large, or no single film."""
    _checked(captions, options, media)
    width, height = _size(media[0], options)
    work = _WORK[_form(media[0], options)] * width * height / 1_000_000
    return Quote(units(media[0], options), 0.5 + work * float(media[0]["duration"]))


def units(media: Media, options: MemeOptions) -> dict[str, int]:
    film = {"export_seconds": ceil(media["duration"])} if _form(media, options) == "mp4" else {}
    return {"ai_generations": 1, "images": 1, **film}


def _checked(captions: list[str], options: MemeOptions, media: Sequence[Media]) -> list[Timed]:
    if len(media) != 1:
        raise InvalidInput("Send one film or several pictures, not both.", field="input_files")
    if options.layout == "panels":
        raise InvalidInput("What moves has no panels.", field="options.layout")
    if options.format in ("png", "jpeg"):
        raise InvalidInput("A film becomes an MP4, a GIF or a WebP.", field="options.format")
    if fault := extras.lacks((extras.FFMPEG,)):
        raise InvalidInput(f"What moves can't be written on yet. {fault}", field="input_files")
    _refuse_size(media[0], options)
    shown = timed(captions, options.times)
    if any(caption.start >= media[0]["duration"] for caption in shown):
        raise InvalidInput(f"The film is {media[0]['duration']:.1f} seconds long.", field="options.times")
    return shown


def _refuse_size(media: Media, options: MemeOptions) -> None:
    # An animated picture of too many pixels has not been looked through, so its length isn't known.
    if media.get("duration", MAX_SECONDS + 1) > MAX_SECONDS or _frames(media) > MAX_FRAMES:
        message = f"What you write on may be {MAX_SECONDS:.0f} seconds and {MAX_FRAMES} frames long."
        raise InvalidInput(message, "INPUT_TOO_LARGE", field="input_files")
    if options.width > WIDEST_MOVING:
        raise InvalidInput(f"What moves is at most {WIDEST_MOVING} pixels wide.", field="options.size")
    width, height = _size(media, options)
    rate_kept = 1.0 if _is_picture(media) else min(1.0, LOOP_RATE / (media["fps"] or LOOP_RATE))
    if _form(media, options) != "mp4" and _frames(media) * rate_kept * width * height > MAX_LOOP_PIXELS:
        raise InvalidInput(
            "That is too large a loop: make it smaller, or an MP4.", "INPUT_TOO_LARGE", field="options.size"
        )


def _is_picture(media: Media) -> bool:
    return bool(media.get("kind") == "image")


def _frames(media: Media) -> int:
    return int(media["frames"]) if _is_picture(media) else ceil(media["duration"] * media["fps"])


def _form(media: Media, options: MemeOptions) -> Form:
    """As asked, or as it came."""
    return cast("Form", options.format or ("mp4" if not _is_picture(media) else media["format"]))


def _size(media: Media, options: MemeOptions) -> tuple[int, int]:
    """In the upload's shape, with even sides, and no larger than it unless asked."""
    widest = WIDEST_MOVING if _form(media, options) == "mp4" else LOOP_WIDTH
    width = options.size or min(widest, media["width"])
    ratio = media["height"] / media["width"]
    width = min(width, round(TALLEST / ratio))
    return max(2, width // 2 * 2), max(2, round(width * ratio) // 2 * 2)
