"""Cues as files: SRT, WebVTT and ASS. What somebody wrote is text in all of them, never markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.jobs.engines.subtitles.cues import Cue

StyleName = Literal["classic", "boxed", "bold", "karaoke"]
Position = Literal["bottom", "middle", "top"]

_ALIGNMENT: dict[Position, int] = {"bottom": 2, "middle": 5, "top": 8}
_FORMAT = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, BorderStyle, Outline, "
    "Shadow, Alignment, MarginL, MarginR, MarginV, Encoding"
)


@dataclass(frozen=True)
class Look:
    """Colours are ASS's &HAABBGGRR; `outline` is a share of the film's shorter side, and `size` of its height.

    `letter` is how wide a letter is on average, in sizes: lines have to fit the film.
    """

    font: str
    size: float
    colour: str
    unsaid: str
    outline_colour: str
    outline: float
    letter: float
    border: int = 1
    shadow: float = 0.0
    bold: bool = False
    upper: bool = False


_WHITE = "&H00FFFFFF"
LOOKS: dict[StyleName, Look] = {
    "classic": Look("Noto Sans", 0.052, _WHITE, _WHITE, "&H00101010", 0.0035, 0.46, shadow=0.0015, bold=True),
    "boxed": Look("Noto Sans", 0.048, _WHITE, _WHITE, "&H00181818", 0.012, 0.46, border=3),
    "bold": Look("Anton", 0.075, _WHITE, _WHITE, "&H00000000", 0.006, 0.4, upper=True),
    "karaoke": Look("Anton", 0.075, "&H003BD3FF", _WHITE, "&H00000000", 0.006, 0.4, upper=True),
}


def srt(cues: Sequence[Cue]) -> str:
    blocks = [
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_plain(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\n".join(blocks)


def vtt(cues: Sequence[Cue]) -> str:
    blocks = [f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_entities(cue.text)}\n" for cue in cues]
    return "WEBVTT\n\n" + "\n".join(blocks)


def _clock(seconds: float, point: str) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3600000:02}:{whole // 60000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"


def _plain(text: str) -> str:
    # Players take <i> and {\an8} in SRT for markup, and an arrow for a time line.
    return text.replace("-->", "→").replace("<", "‹").replace(">", "›").replace("{", "(").replace("}", ")")


def _entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def ass(cues: Sequence[Cue], style: StyleName, position: Position, size: tuple[int, int], line: int) -> str:
    """For a film of this size in pixels, which the script is laid out for, and lines of up to so many letters."""
    width, height = size
    look, short = LOOKS[style], min(size)
    margin = round(height * 0.06) if position != "middle" else 0
    values = (
        *("Said", look.font, _points(look, size, line), look.colour, look.unsaid, look.outline_colour, "&H80000000"),
        *(-1 if look.bold else 0, look.border, round(look.outline * short, 1), round(look.shadow * short, 1)),
        *(_ALIGNMENT[position], round(width * 0.06), round(width * 0.06), margin, 1),
    )
    lines = [
        "[Script Info]\nScriptType: v4.00+\nWrapStyle: 2\nScaledBorderAndShadow: yes",
        f"PlayResX: {width}\nPlayResY: {height}\n",
        f"[V4+ Styles]\nFormat: {_FORMAT}\nStyle: {','.join(map(str, values))}\n",
        "[Events]\nFormat: Layer, Start, End, Style, Text",
        *(_event(cue, look, sung=style == "karaoke") for cue in cues),
    ]
    return "\n".join(lines) + "\n"


def _points(look: Look, size: tuple[int, int], line: int) -> int:
    width, height = size
    return round(min(look.size * height, 0.88 * width / (look.letter * line)))


def _event(cue: Cue, look: Look, *, sung: bool) -> str:
    text = _sung(cue, look) if sung else "\\N".join(_shown(line, look) for line in cue.lines)
    return f"Dialogue: 0,{_centis(cue.start)},{_centis(cue.end)},Said,{text}"


def _centis(seconds: float) -> str:
    whole = round(seconds * 100)
    return f"{whole // 360000}:{whole // 6000 % 60:02}:{whole // 100 % 60:02}.{whole % 100:02}"


def _shown(text: str, look: Look) -> str:
    """A text with nothing in it that libass would obey: braces begin its commands, and a backslash its breaks."""
    shown = text.upper() if look.upper else text
    harmless = shown.replace("\\", "⧵").replace("{", "(").replace("}", ")")
    return " ".join(harmless.split())


def _sung(cue: Cue, look: Look) -> str:
    """Each word with the hundredths of a second until it is said, so that it fills as it is spoken."""
    parts, at = [], cue.start
    breaks = _line_ends(cue)
    for index, word in enumerate(cue.words):
        wait, length = max(0, round((word.start - at) * 100)), max(1, round((word.end - max(at, word.start)) * 100))
        gap = "\\N" if index in breaks else " "
        parts.append(f"{{\\k{wait}}}{{\\kf{length}}}{_shown(word.text, look)}{gap}")
        at = max(at, word.end)
    return "".join(parts).removesuffix(" ").removesuffix("\\N")


def _line_ends(cue: Cue) -> set[int]:
    counts = [len(line.split()) for line in cue.lines]
    # A word may hold spaces of its own; then lines and words can't be matched and libass breaks no line.
    return {sum(counts[: number + 1]) - 1 for number in range(len(counts))} if sum(counts) == len(cue.words) else set()
