"""The voices: one for each language, small and synthetic, and quick."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.speech import marking
from services.jobs.engines.speech.script import Sentence, spoken

RATE = 16_000
MARGIN = 0.02  # Seconds kept around what is heard of a sentence, so that no consonant is clipped.
_M_PERTURB = -6
_FULL, _SOFT = 100, round(marking.SOFT * 100)

Language = Literal["en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT"]


@dataclass(frozen=True)
class Manner:
    """Who speaks, and how: `speed` and `pitch` are factors of the voice's own."""

    language: Language = "en-US"
    speed: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True)
class Word:
    """A word as it was written, and when it is said, in seconds; `sentence` counts from 0."""

    text: str
    start: float
    end: float
    sentence: int


@dataclass(frozen=True)
class Speech:
    """Mono samples from -1 to 1 at RATE, and the time of every word in them."""

    samples: Any
    words: list[Word]

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE


def speak(script: Sequence[Sentence], manner: Manner, heard: Callable[[float], None] = lambda _share: None) -> Speech:
    """Say the sentences with the pauses between them; `heard` is told the share that is done."""
    pieces: list[Any] = []
    words: list[Word] = []
    at = 0
    for number, sentence in enumerate(script):
        samples, times = _said(sentence, manner)
        words += [
            Word(word, round((at + start) / RATE, 3), round((at + end) / RATE, 3), number)
            for word, (start, end) in zip(sentence.words, times, strict=True)
        ]
        pieces += [samples, np.zeros(round(sentence.pause * RATE))]
        at += len(samples) + len(pieces[-1])
        heard((number + 1) / len(script))
    return Speech(np.concatenate(pieces), words)


def _said(sentence: Sentence, manner: Manner) -> tuple[Any, list[tuple[float, float]]]:
    """One sentence without the silence around it, and its words' times in samples."""
    read = [spoken(word) for word in sentence.words]
    plain = _take(" ".join(read), manner)
    # Marks change where the voice breathes, so both takes that are compared carry them, and the plain one is heard.
    loud, marked = (_take(_marked(read, level), manner) for level in (_FULL - 1, _SOFT))
    times = marking.carried_over(marking.spans(loud, marked, len(read)), loud, plain)
    audible = np.flatnonzero(np.abs(plain) > 0.003)
    if not len(audible):
        raise InvalidInput(f"The voice can't say '{' '.join(sentence.words)[:60]}'.")
    first = max(0, int(audible[0]) - round(MARGIN * RATE))
    last = min(len(plain), int(audible[-1]) + round(MARGIN * RATE))
    return plain[first:last], _in_order([(start - first, end - first) for start, end in times], last - first)


def _marked(words: Sequence[str], even: int) -> str:
    return " ".join(f'<volume level="{_FULL if n % 2 else even}">{word}' for n, word in enumerate(words))


def _in_order(times: Sequence[tuple[float, float]], length: int) -> list[tuple[float, float]]:
    """The times inside the sentence, none before the one in front of it."""
    done: list[tuple[float, float]] = []
    for start, end in times:
        begin = min(max(start, done[-1][1] if done else 0.0), length)
        done.append((begin, min(max(end, begin), length)))
    return done


def _take(text: str, manner: Manner) -> Any:
    with _even_memory():
        raw = _synthesiser().speak(text, manner.language, speed=manner.speed, pitch=manner.pitch)
    return np.frombuffer(raw, dtype="<i2").astype(np.float64) / 32768


@contextmanager
def _even_memory() -> Iterator[None]:
    """The voice reads memory that it has not written: it says the same thing twice only if it finds the same there.

    With zeros it breathes far too long; every other byte makes the same, natural pauses.
    """
    allocator = getattr(ctypes.CDLL(None), "mallopt", None)
    if allocator is None:
        # Another C library than glibc: the voice may breathe differently each time, and is understood all the same.
        yield
        return
    allocator(_M_PERTURB, 0x5A)
    try:
        yield
    finally:
        allocator(_M_PERTURB, 0)


@cache
def _synthesiser() -> Any:
    from py_nanotts import NanoTTS  # noqa: PLC0415 - of the engines' own packages

    return NanoTTS()
