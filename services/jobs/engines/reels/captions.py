"""Captions that are sung along: the word that is being said stands out from those around it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from PIL import Image, ImageDraw, ImageFont

from services.jobs.engines import fonts
from services.jobs.engines.film.planes import Overlay
from services.jobs.engines.speech.voices import Word
from services.jobs.engines.subtitles.cues import Cue, Rules, cues_of

Place = Literal["middle", "lower", "bottom"]

RULES = Rules(line=17, lines=2, letters_a_second=30)
# Cues nearer than this follow each other without a gap, which would flicker.
_FLICKER = 0.4
_FACE, _SIZE, _LEADING, _SPACE = "anton", 104, 1.28, 0.26
_OUTLINE, _PAD = 9, 22
_LARGEST = 0.072  # Of the film's height.
_MIDDLES: dict[Place, float] = {"middle": 0.5, "lower": 0.7, "bottom": 0.86}
_WHITE, _DARK = "#ffffff", "#101014"


@dataclass(frozen=True)
class _Box:
    """A word's place on the strip: the left end of its baseline, and its width."""

    text: str
    x: float
    baseline: float
    width: float


class Captions:
    """Draws the cues of a film onto its frames; the strip they need is the same for all of them."""

    def __init__(self, words: Sequence[Word], seconds: float, size: tuple[int, int], place: Place, accent: str) -> None:
        self._size, self._accent = size, accent
        self.cues = list(_joined(cues_of(words, RULES, seconds)))
        self._letters = min(_SIZE, round(size[1] * _LARGEST))
        self._height = _even(self._letters * _LEADING * RULES.lines) + 2 * _PAD
        self._top = _even(min(size[1] * _MIDDLES[place] - self._height / 2, size[1] * 0.97 - self._height))
        self._drawn = lru_cache(maxsize=2)(self._draw)

    def onto(self, frame: Any, time: float) -> Any:
        """The frame with the cue of this moment, if there is one."""
        number = next((index for index, cue in enumerate(self.cues) if cue.start <= time < cue.end), None)
        if number is None:
            return frame
        said = sum(word.start <= time for word in self.cues[number].words)
        self._drawn(number, said).onto(frame)
        return frame

    def _draw(self, number: int, said: int) -> Overlay:
        strip = Image.new("RGBA", (self._size[0], self._height), (0, 0, 0, 0))
        pen = ImageDraw.Draw(strip)
        boxes, size = _laid_out(self.cues[number], self._letters, (self._size[0], self._height))
        for index, box in enumerate(boxes):
            if index == said - 1:
                self._stand_out(pen, box, size)
        for index, box in enumerate(boxes):
            colour = _DARK if index == said - 1 else _WHITE
            outline = 0 if index == said - 1 else _OUTLINE
            font = _font(box.text, size)
            pen.text((box.x, box.baseline), box.text, colour, font, "ls", stroke_width=outline, stroke_fill=_DARK)
        return Overlay(strip, (0, self._top))

    def _stand_out(self, pen: ImageDraw.ImageDraw, box: _Box, size: int) -> None:
        """A pill in the accent's colour behind the word."""
        edges = (box.x - 16, box.baseline - size * 0.98, box.x + box.width + 16, box.baseline + size * 0.2)
        pen.rounded_rectangle(edges, radius=size * 0.2, fill=self._accent)


def _even(value: float) -> int:
    return round(value / 2) * 2


def _joined(cues: Sequence[Cue]) -> Iterator[Cue]:
    for index, cue in enumerate(cues):
        following = cues[index + 1].start if index + 1 < len(cues) else None
        near = following is not None and following - cue.end < _FLICKER
        yield replace(cue, end=following) if near and following is not None else cue


def _laid_out(cue: Cue, largest: int, strip: tuple[int, int]) -> tuple[list[_Box], int]:
    """Each word's place, and the largest size in which every line fits."""
    lines, (width, height) = _lines(cue), strip
    measured = max(_line_width(line, largest) for line in lines)
    size = min(largest, int(largest * width * 0.9 / measured))
    leading = size * _LEADING
    baseline = height / 2 - leading * (len(lines) - 1) / 2 + size * 0.38
    boxes: list[_Box] = []
    for line in lines:
        x = (width - _line_width(line, size)) / 2
        for word in line:
            own = _font(word, size).getlength(word)
            boxes.append(_Box(word, x, baseline, own))
            x += own + _SPACE * size
        baseline += leading
    return boxes, size


def _lines(cue: Cue) -> list[list[str]]:
    """The cue's lines as its words: a word may hold a space of its own, so letters are counted, not spaces."""
    lines: list[list[str]] = [[]]
    room = [len(line) for line in cue.lines]
    for word in cue.words:
        used = sum(map(len, lines[-1])) + len(lines[-1])
        if lines[-1] and used + len(word.text) > room[len(lines) - 1] and len(lines) < len(room):
            lines.append([])
        lines[-1].append(word.text.upper())
    return lines


def _line_width(line: Sequence[str], size: int) -> float:
    return sum(_font(word, size).getlength(word) for word in line) + _SPACE * size * (len(line) - 1)


def _font(word: str, size: int) -> ImageFont.FreeTypeFont:
    return fonts.font(fonts.face_for(word, _FACE) or "sans", 700, size)
