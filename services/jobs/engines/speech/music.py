"""A bed of music that we make ourselves, so that it is anybody's to use; and how it makes way for a voice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from services.jobs.engines.speech import sound
from services.jobs.engines.speech.sound import RATE
from services.jobs.engines.speech.voices import Word

Mood = Literal["calm", "bright", "pulse"]

# LUFS of the bed while somebody speaks, and while nobody does. The voice is at -16.
_UNDER, _ALONE = -34.0, -24.0
_ATTACK, _RELEASE = 0.12, 0.6


@dataclass(frozen=True)
class _Piece:
    """Chords as semitones above A2, a bar each."""

    beats_a_minute: float
    chords: tuple[tuple[int, ...], ...]
    plucks: int
    beat: float


_PIECES: dict[Mood, _Piece] = {
    "calm": _Piece(72, ((3, 10, 14, 19), (0, 7, 12, 15), (-4, 8, 12, 15), (-2, 10, 14, 17)), 2, 0.0),
    "bright": _Piece(104, ((0, 7, 12, 16), (7, 11, 14, 19), (9, 12, 16, 21), (5, 9, 12, 17)), 4, 0.25),
    "pulse": _Piece(118, ((0, 7, 12, 15), (-4, 8, 12, 15), (3, 10, 15, 19), (-2, 5, 10, 14)), 4, 0.55),
}


def bed(mood: Mood, seconds: float, seed: int) -> Any:
    """Stereo music of this length; the seed decides which notes of the chords are plucked."""
    piece, rng = _PIECES[mood], np.random.default_rng(seed)
    bar = 4 * 60 / piece.beats_a_minute
    made = np.zeros((round(seconds * RATE) + 4 * RATE, 2))
    for number in range(int(seconds / bar) + 1):
        chord = piece.chords[number % len(piece.chords)]
        at = number * bar
        for place, note in enumerate(chord):
            _add(made, at, _pad(_pitch(note), bar * 1.15), 0.16, (place - 1.5) * 0.4)
        for step in range(4 * piece.plucks // 2):
            note = int(rng.choice(chord)) + 12
            _add(made, at + step * bar * 2 / (4 * piece.plucks), _pluck(_pitch(note)), 0.11, rng.uniform(-0.7, 0.7))
        for beat in range(4 if piece.beat else 0):
            _add(made, at + beat * bar / 4, _thump(), piece.beat, 0.0)
    return _faded(made[: round(seconds * RATE)])


def _pitch(semitones: int) -> float:
    return 110.0 * 2 ** (semitones / 12)


def _pad(pitch: float, seconds: float) -> Any:
    """A soft tone that swells: a few overtones, two voices a little apart."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(_sine(pitch * n * detune, time) / n**2 for n in (1, 2, 3) for detune in (0.998, 1.002))
    swell = np.minimum(1, np.minimum(time / 0.5, (seconds - time) / 0.5))
    return tone * np.clip(swell, 0, 1) / 2


def _sine(pitch: float, time: Any) -> Any:
    """In single precision, which is far quicker; turns are counted in double, or long tones would grow rough."""
    turns = pitch * time
    return np.sin(2 * np.pi * (turns - np.floor(turns)).astype(np.float32))


def _pluck(pitch: float) -> Any:
    time = np.arange(round(1.2 * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * n * time) * np.exp(-time * (3 + 2 * n)) / n for n in (1, 2, 3))
    return tone * np.minimum(1, time / 0.004)


def _thump() -> Any:
    time = np.arange(round(0.25 * RATE)) / RATE
    return np.sin(2 * np.pi * (45 * time + 4 * (1 - np.exp(-time * 30)))) * np.exp(-time * 16)


def _add(made: Any, at: float, tone: Any, level: float, side: float) -> None:
    """`side` from -1, left, to 1, right."""
    start = round(at * RATE)
    room = max(0, min(len(tone), len(made) - start))
    sides = np.array([np.cos((side + 1) * np.pi / 4), np.sin((side + 1) * np.pi / 4)])
    made[start : start + room] += tone[:room, None] * level * sides


def _faded(made: Any) -> Any:
    edge = min(len(made) // 3, RATE)
    made[:edge] *= np.linspace(0, 1, edge)[:, None]
    made[len(made) - edge :] *= np.linspace(1, 0, edge)[:, None]
    return made


def under(voice: Any, words: Sequence[Word], music: Any) -> Any:
    """Voice over music, as loud as speech should be. The music is repeated to the length of the voice, or cut to it.

    It is turned down where words are said, a little before they begin, and comes back slowly behind them.
    """
    music = _faded(np.resize(music, (len(voice), 2)))
    found = sound.loudness(music)
    if not np.isfinite(found):
        return sound.levelled(np.stack([voice, voice], axis=1))
    spoken = _speaking(len(voice), words)
    levels = 10 ** ((_ALONE + (_UNDER - _ALONE) * spoken - found) / 20)
    return sound.levelled(sound.levelled(voice)[:, None] + music * levels[:, None])


def _speaking(length: int, words: Sequence[Word]) -> Any:
    """1 while somebody speaks, 0 while nobody does, and a slope between."""
    corners: list[tuple[float, float]] = [(0.0, 0.0)]
    for word in words:
        if corners[-1][1] == 0 or word.start - _ATTACK > corners[-1][0]:
            corners += [(max(corners[-1][0], word.start - _ATTACK), 0.0), (word.start, 1.0), (word.end, 1.0)]
        else:
            while corners[-1][1] == 0:
                corners.pop()
            corners.append((word.end, 1.0))
        corners.append((word.end + _RELEASE, 0.0))
    times, levels = zip(*corners, strict=True)
    return np.interp(np.arange(length) / RATE, times, levels)
