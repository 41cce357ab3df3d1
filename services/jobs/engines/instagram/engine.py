"""The Instagram engine: pictures cut or set into the app's sizes, with looks, words in the safe area, and slides."""

from typing import Any

from PIL import Image

from services.jobs.engines import framing, typeset
from services.jobs.engines.instagram.filters import filtered
from services.jobs.engines.instagram.options import MAX_SLIDES, SAFE_AREAS, SIZES, InstagramOptions, check
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import save
from services.jobs.engines.protocol import Context, InvalidInput, Output, Tool
from services.jobs.engines.shaping import Box, Style

_WORDS = Style("montserrat", weight=800, largest=96, smallest=30, leading=1.12, outline=0.05, valign="bottom")
_WORDS_SHARE = 0.34  # The part of the safe area, from below, that words may fill.


def run(ctx: Context, prompt: str | None, options: InstagramOptions) -> Output:
    """One file for each input, or the slides of one. Raises InvalidInput for what can't be opened or set."""
    check(prompt, options, len(ctx.inputs))
    slides: list[Image.Image] = []
    for index, given in enumerate(ctx.inputs):
        ctx.progress(5 + 70 * index // len(ctx.inputs), f"picture {index + 1} of {len(ctx.inputs)}")
        slides += _slides(open_picture(given.path), options)
    words = (prompt or "").strip()
    box = _write(slides[0], words, options) if words else None
    ctx.progress(80, "saving")
    files = [save(slide, ctx.workdir, f"slide-{at}", options.format) for at, slide in enumerate(slides, start=1)]
    ctx.progress(100, "done")
    return Output(files, _report(options, box), units(options))


def _slides(picture: Image.Image, options: InstagramOptions) -> list[Image.Image]:
    """The picture in its place; wider by the number of slides and cut afterwards, so that no seam shows."""
    width, height = SIZES[options.place]
    strip = _framed(picture, (width * options.slices, height), options)
    return [strip.crop((left, 0, left + width, height)) for left in range(0, strip.width, width)]


def _framed(picture: Image.Image, size: tuple[int, int], options: InstagramOptions) -> Image.Image:
    inner = (size[0] - 2 * options.frame, size[1] - 2 * options.frame)
    shown = _fitted(_in_its_look(picture, inner, options), inner, options)
    if not options.frame and not options.radius:
        return shown
    page = Image.new("RGB", size, options.background)
    framing.paste_rounded(page, shown, (options.frame, options.frame), options.radius)
    return page


def _in_its_look(picture: Image.Image, size: tuple[int, int], options: InstagramOptions) -> Image.Image:
    """The look is put on the picture and not on the ground around it, whose colour was chosen."""
    solid = framing.opaque(picture, options.background)
    # Looks cost by the pixel; twice the frame keeps all the detail that scaling will leave.
    solid.thumbnail((2 * max(size), 2 * max(size)), Image.Resampling.LANCZOS)
    return filtered(solid, options.filter)


def _fitted(picture: Image.Image, size: tuple[int, int], options: InstagramOptions) -> Image.Image:
    if options.fit == "blur":
        return framing.whole_on_blur(picture, size)
    if options.fit == "pad":
        return framing.whole(picture, size, options.background)
    return framing.filled(picture, size, options.focus)


def _write(slide: Image.Image, words: str, options: InstagramOptions) -> Box:
    """Draw the words where neither the app nor the border covers them, and say where their ink is."""
    block = typeset.typeset(words, _words_box(options), _WORDS)
    if block is None:
        raise InvalidInput("The words are too long to be readable in this place.", "INPUT_TOO_LARGE")
    typeset.draw(slide, block, "#ffffff", "#16131f")
    return block.ink


def _words_box(options: InstagramOptions) -> Box:
    safe, (width, height) = SAFE_AREAS[options.place], SIZES[options.place]
    inside = options.frame + 24 if options.frame else 0
    left, right = max(safe.x, inside), min(safe.right, width - inside)
    bottom = min(safe.bottom, height - inside)
    share = safe.height * _WORDS_SHARE
    return Box(left, bottom - share, right - left, share)


def _report(options: InstagramOptions, words: Box | None) -> dict[str, Any]:
    return {
        "place": options.place,
        "filter": options.filter,
        "safe_area": list(SAFE_AREAS[options.place]),
        "words_box": [round(edge) for edge in words] if words else None,
    }


def units(_options: InstagramOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(options: InstagramOptions) -> float:
    return 0.3 + 0.12 * options.slices


TOOL = Tool(
    id="instagram",
    family="studio",
    title="Instagram",
    description=(
        "Up to ten pictures in the sizes of posts, stories and reel covers, with looks, borders, round corners and "
        "words that stay clear of the app's controls; or one wide picture cut into a carousel without seams."
    ),
    lane="interactive",
    kind="edit",
    options=InstagramOptions,
    accepts_inputs=MAX_SLIDES,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
)
