"""How a mouth stands at every frame: shapes by the letters that are being said, as open as the voice is loud.

The voice gives no phonemes, so the letters of a word share its time between them. That is an animator's rule of thumb,
near enough for a drawn mouth and not for a likeness.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from services.jobs.engines.speech.voices import RATE as VOICE_RATE
from services.jobs.engines.speech.voices import Word


@dataclass(frozen=True)
class Mouth:
    """`opened` and `wide` from 0 to 1; `teeth` bite the lower lip, the `tongue` is raised."""

    opened: float
    wide: float
    teeth: float = 0.0
    tongue: float = 0.0


REST = Mouth(0.0, 0.6)
# Eight shapes, as animators count them.
_SHAPES = {
    "closed": Mouth(0.0, 0.5),
    "open": Mouth(1.0, 0.65),
    "spread": Mouth(0.5, 0.95),
    "smile": Mouth(0.3, 1.0),
    "round": Mouth(0.7, 0.25),
    "pursed": Mouth(0.3, 0.05),
    "bitten": Mouth(0.15, 0.6, teeth=1.0),
    "raised": Mouth(0.4, 0.6, tongue=1.0),
}
_LETTERS = {
    **dict.fromkeys("mbp", "closed"),
    **dict.fromkeys("a", "open"),
    **dict.fromkeys("e", "spread"),
    **dict.fromkeys("iyszcxkgjt", "smile"),
    **dict.fromkeys("oh", "round"),
    **dict.fromkeys("uwqr", "pursed"),
    **dict.fromkeys("fv", "bitten"),
    **dict.fromkeys("lnd", "raised"),
}
_VOWELS = frozenset("aeiouy")
# A vowel is held, a consonant is passed.
_HELD, _PASSED = 2.0, 1.0
# Shares of the way to the next shape that a mouth goes in a frame: it opens faster than it closes.
_OPENING, _CLOSING = 0.75, 0.5
# A blink, frame by frame at thirty a second: a sixth of one.
_LIDS = (0.5, 1.0, 1.0, 0.6, 0.25)


def mouths(words: Sequence[Word], voice: Any, count: int, rate: int) -> list[Mouth]:
    """The mouth of each of `count` frames; `voice` has the words' own time and the voices' rate."""
    loud = loudness(voice, count, rate)
    targets = [REST] * count
    for start, end, shape in _timed(words):
        for frame in range(max(0, round(start * rate)), min(count, max(round(start * rate) + 1, round(end * rate)))):
            targets[frame] = Mouth(shape.opened * (0.35 + 0.65 * loud[frame]), shape.wide, shape.teeth, shape.tongue)
    return list(_smooth(targets))


def loudness(voice: Any, count: int, rate: int) -> Any:
    """From 0 to 1 for each frame, by how the ear and not the meter counts: a root of the power."""
    size = VOICE_RATE // rate
    padded = np.pad(voice, (0, max(0, count * size - len(voice))))[: count * size].reshape(count, size)
    power = np.sqrt((padded**2).mean(axis=1))
    return np.minimum(1.0, np.sqrt(power / max(1e-6, float(np.percentile(power, 97)))))


def _timed(words: Sequence[Word]) -> Iterator[tuple[float, float, Mouth]]:
    for word in words:
        letters = [letter for letter in unicodedata.normalize("NFKD", word.text.lower()) if letter.isalnum()]
        weights = [_HELD if letter in _VOWELS else _PASSED for letter in letters]
        if not letters:
            continue
        step, at = (word.end - word.start) / sum(weights), word.start
        for letter, weight in zip(letters, weights, strict=True):
            yield at, at + step * weight, _SHAPES[_LETTERS.get(letter, "spread")]
            at += step * weight


def _smooth(targets: Sequence[Mouth]) -> Iterator[Mouth]:
    now = REST
    for target in targets:
        share = _OPENING if target.opened > now.opened else _CLOSING
        now = Mouth(
            now.opened + (target.opened - now.opened) * share,
            now.wide + (target.wide - now.wide) * _CLOSING,
            now.teeth + (target.teeth - now.teeth) * _OPENING,
            now.tongue + (target.tongue - now.tongue) * _OPENING,
        )
        yield now


def blinks(count: int, rate: int, seed: int) -> dict[int, float]:
    """How far the eyes are closed in those frames in which they are: every few seconds, down faster than up again."""
    rng = np.random.default_rng(seed)
    closed: dict[int, float] = {}
    at = float(rng.uniform(0.8, 2.5))
    while at < count / rate:
        start = round(at * rate)
        closed.update(enumerate(_LIDS, start))
        at += float(rng.uniform(2.0, 4.5))
    return closed
