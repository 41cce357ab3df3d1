"""From what somebody wrote to the sentences that a voice says one by one, with the silence behind each."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from services.jobs.engines.protocol import InvalidInput

MAX_LETTERS = 3000
MAX_PAUSE = 10.0
# A voice's intonation is made for sentences; what is longer is taken in parts, at a comma where there is one.
LONGEST_SENTENCE = 240

_PAUSE = re.compile(r"\[\s*pause(?:\s+(\d+(?:\.\d+)?)\s*s?)?\s*\]", re.IGNORECASE)
_ABBREVIATIONS = {
    "dr",
    "mr",
    "mrs",
    "ms",
    "prof",
    "st",
    "no",
    "vs",
    "etc",
    "e.g",
    "i.e",
    "ca",
    "bzw",
    "z.b",
    "d.h",
    "sr",
}
_SPOKEN = str.maketrans({"’": "'", "‘": "'", "“": " ", "”": " ", "„": " ", "«": " ", "»": " ", "…": "."})
_COMMAS = re.compile(r"\s*[\u2013\u2014]\s*|\s+-\s+")


@dataclass(frozen=True)
class Sentence:
    """Words as they are written, and the seconds of silence behind the last."""

    words: tuple[str, ...]
    pause: float


@dataclass(frozen=True)
class Pauses:
    """Seconds of silence behind a sentence and behind a paragraph."""

    sentence: float
    paragraph: float


def sentences(script: str, pauses: Pauses) -> list[Sentence]:
    """Everything that can be said, in order. `[pause 1.5]` is a silence of its own. Raises InvalidInput."""
    found: list[Sentence] = []
    for paragraph in re.split(r"\n\s*\n", unicodedata.normalize("NFC", script)):
        said = list(_paragraph(paragraph, pauses.sentence))
        if said:
            said[-1] = Sentence(said[-1].words, max(said[-1].pause, pauses.paragraph))
        found += said
    if not found:
        raise InvalidInput("There is nothing in the text that a voice could say.")
    return [*found[:-1], Sentence(found[-1].words, 0.0)]


def _paragraph(paragraph: str, pause: float) -> Iterator[Sentence]:
    position = 0
    for mark in (*_PAUSE.finditer(paragraph), None):
        said = [Sentence(part, pause) for part in _parts(paragraph[position : mark.start() if mark else None])]
        if mark and said:
            said[-1] = Sentence(said[-1].words, min(float(mark[1] or 1), MAX_PAUSE))
        yield from said
        position = mark.end() if mark else position


def _parts(text: str) -> Iterator[tuple[str, ...]]:
    current: list[str] = []
    for word in _words(text):
        current.append(word)
        if _ends_sentence(word) or _is_long(current, word):
            yield tuple(current)
            current = []
    if current:
        yield tuple(current)


def _words(text: str) -> list[str]:
    """Words with the marks around them; a mark that stands alone belongs to the word before it."""
    joined: list[str] = []
    for word in text.split():
        if any(letter.isalnum() for letter in word):
            joined.append(word)
        elif joined and word[0] in ".,;:!?":
            joined[-1] += word
    return joined


def _ends_sentence(word: str) -> bool:
    bare = word.rstrip("\"'”’»)]")
    if bare.endswith(("!", "?", "…")):
        return True
    start = bare[:-1].lstrip("(\"'“‘«[").lower()
    return bare.endswith(".") and start not in _ABBREVIATIONS and not re.fullmatch(r"\d{1,2}|[a-z](\.[a-z])*", start)


def _is_long(current: list[str], word: str) -> bool:
    letters = sum(map(len, current)) + len(current)
    return letters > LONGEST_SENTENCE or (letters > LONGEST_SENTENCE * 0.6 and word.endswith((",", ";", ":")))


def spoken(word: str) -> str:
    """A word as the voice is to read it: nothing in it may look like the voice's own markup."""
    plain = _COMMAS.sub(", ", word.translate(_SPOKEN))
    kept = "".join(letter for letter in plain if letter not in "<>\\" and _is_sayable(letter))
    return " ".join(kept.split())


def _is_sayable(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNPZ" or letter in "$€£+=%&°"


def refuse_unsayable(script: str, most: int = MAX_LETTERS) -> None:
    """The voices read Latin letters only. Raises InvalidInput for a text of others, or of more than `most` letters."""
    if len(script) > most:
        raise InvalidInput(f"The text has more than {most} characters.", "INPUT_TOO_LARGE")
    foreign = [letter for letter in script if letter.isalpha() and not _is_latin(letter)]
    if foreign:
        raise InvalidInput(f"The voices read Latin letters only; '{foreign[0]}' is none.")
    sentences(script, Pauses(0, 0))


def _is_latin(letter: str) -> bool:
    return "LATIN" in unicodedata.name(letter, "") or letter in "ªº"
