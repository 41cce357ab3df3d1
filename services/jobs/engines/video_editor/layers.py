"""What is laid over the film: texts and a logo as pictures of ours, and captions as a file that libass reads."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from services.jobs.engines import fonts, typeset
from services.jobs.engines.media import open_picture
from services.jobs.engines.output import save
from services.jobs.engines.protocol import InputFile, InvalidInput
from services.jobs.engines.shaping import Box, Style
from services.jobs.engines.speech.voices import Word
from services.jobs.engines.subtitles import formats
from services.jobs.engines.subtitles.cues import Cue, balanced
from services.jobs.engines.video_editor.graph import Layer
from services.jobs.engines.video_editor.options import (
    LONGEST_WORDS,
    Captions,
    CueText,
    Logo,
    Text,
    VideoEditorOptions,
)

# Of the film's shorter side.
_SIZES = {"small": 0.05, "medium": 0.075, "large": 0.12}
_MARGIN, _PAD = 0.06, 0.028
_UPRIGHT_LINE, _WIDE_LINE = 24, 42
_TIMES = re.compile(
    r"(\d{1,2}):(\d\d):(\d\d)[,.](\d{1,3})\s*-->\s*(\d{1,2}):(\d\d):(\d\d)[,.](\d{1,3})[^\n]*\n(.*)", re.DOTALL
)


def text_layer(text: Text, number: int, options: VideoEditorOptions, seconds: float, folder: Path) -> Layer:
    """Raises InvalidInput for a text that can't be set."""
    width, height = options.size
    short, margin = min(options.size), round(min(options.size) * _MARGIN)
    largest = round(short * _SIZES[text.size])
    outline = 0.0 if text.ground else 0.06
    style = Style("montserrat", weight=800, largest=largest, smallest=10, outline=outline)
    pad = round(short * _PAD) if text.ground else 0
    inner = width - 2 * margin - 2 * pad
    block = typeset.typeset(text.text, Box(margin + pad, 0, inner, height * 0.4), style)
    if block is None:
        raise InvalidInput("The text has no letters that can be shown.", field=f"options.texts.{number}.text")
    sheet = Image.new("RGBA", (width, round(height * 0.4)), (0, 0, 0, 0))
    ink = block.ink
    edges = (round(ink.x) - pad, round(ink.y) - pad, round(ink.right) + pad, round(ink.bottom) + pad)
    if text.ground:
        ImageDraw.Draw(sheet).rounded_rectangle(edges, radius=max(2, pad // 2), fill=text.ground)
    typeset.draw(sheet, block, text.colour, "#101014")
    cut = (max(0, edges[0]), max(0, edges[1]), min(width, edges[2] + 1), min(sheet.height, edges[3] + 1))
    shown = sheet.crop(cut)
    edge = round(height * _MARGIN)
    tops = {"top": edge, "middle": (height - shown.height) // 2, "bottom": height - edge - shown.height}
    path = save(shown, folder, f"text{number}", "png").path
    return Layer(path, (cut[0], tops[text.place]), text.start, min(text.end or seconds, seconds))


def logo_layer(logo: Logo, given: InputFile, options: VideoEditorOptions, seconds: float, folder: Path) -> Layer:
    width, height = options.size
    margin = round(min(options.size) * _MARGIN * 0.7)
    picture = open_picture(given.path).convert("RGBA")
    across = round(width * logo.width)
    down = max(1, round(picture.height * across / picture.width))
    shown = picture.resize((across, min(down, height // 2)), Image.Resampling.LANCZOS)
    shown.putalpha(shown.getchannel("A").point(lambda value: round(value * logo.opacity)))
    x = margin if "left" in logo.corner else width - margin - shown.width
    y = margin if "top" in logo.corner else height - margin - shown.height
    return Layer(save(shown, folder, "logo", "png").path, (x, y), 0, seconds)


def write_captions(captions: Captions, options: VideoEditorOptions, folder: Path) -> None:
    """The file and its fonts, under the names that the filter graph has for them. Raises InvalidInput."""
    faces = folder / "fonts"
    faces.mkdir()
    for name in ("sans", "anton"):
        shutil.copy(fonts.face(name).path, faces / f"{name}.ttf")
    width, height = options.size
    line = _WIDE_LINE if width >= height else _UPRIGHT_LINE
    cues = [_cue(cue, line) for cue in cues_of(captions)]
    text = formats.ass(cues, captions.style, captions.position, options.size, line)
    (folder / "captions.ass").write_text(text, encoding="utf-8")


def _cue(cue: CueText, line: int) -> Cue:
    """Its words share its time evenly, for the style in which they are sung."""
    words = cue.text.split() or ["…"]
    share = (cue.end - cue.start) / len(words)
    timed = tuple(
        Word(word, cue.start + share * number, cue.start + share * (number + 1), 0) for number, word in enumerate(words)
    )
    return Cue(cue.start, cue.end, tuple(balanced(words, line)), timed)


def cues_of(captions: Captions) -> Sequence[CueText]:
    """The cues that were given, either way. Raises InvalidInput for both ways, for neither, and for a file that is no
    SubRip."""
    if bool(captions.cues) == bool(captions.srt):
        raise InvalidInput("Give the captions as cues or as SRT.", field="options.captions")
    found = captions.cues or _parsed(captions.srt or "")
    for number, cue in enumerate(found):
        if cue.end <= cue.start:
            raise InvalidInput("The cue ends before it begins.", field=f"options.captions.cues.{number}.end")
    return found


def _parsed(srt: str) -> list[CueText]:
    blocks = re.split(r"\n\s*\n", srt.replace("\r\n", "\n").replace("\ufeff", "").strip())
    return [_parsed_block(block, number) for number, block in enumerate(blocks, 1)]


def _parsed_block(block: str, number: int) -> CueText:
    found = _TIMES.search(block)
    words = " ".join(found[9].split()) if found else ""
    if found is None or not 0 < len(words) <= LONGEST_WORDS:
        raise InvalidInput(f"Block {number} is no SubRip cue.", field="options.captions.srt")
    clock = [int(found[place]) for place in range(1, 9)]
    start, end = (
        hours * 3600 + minutes * 60 + seconds + float(f"0.{found[place]}")
        for (hours, minutes, seconds), place in ((clock[0:3], 4), (clock[4:7], 8))
    )
    return CueText(start=start, end=max(end, 0.001), text=words)
