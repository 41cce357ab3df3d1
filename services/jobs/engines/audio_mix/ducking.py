"""Making way for a voice: softer a little before it is heard, and slowly back behind it.

The whole voice is known before the mix is made, so that, other than with a compressor, nothing of its first word is
covered and the level under it is the one that was asked for.
"""

import wave
from pathlib import Path
from typing import Any

import numpy as np

# Samples a second of the levels: what changes over a tenth of a second needs no more.
RATE = 1000
_STEP = 0.01  # Seconds over which a voice is judged to be heard or not.
# Under the loud parts of the track by this, or under this at all, nobody speaks.
_QUIETER_DB, _FLOOR_DB = 30.0, -60.0
_BRIDGED = 0.4  # A pause that is shorter than this is a breath.
ATTACK, RELEASE = 0.15, 0.5


def spans(voice: Any, rate: int) -> list[tuple[float, float]]:
    """From when to when something is heard, in seconds; breaths are part of it."""
    step = round(_STEP * rate)
    blocks = voice[: len(voice) // step * step].reshape(-1, step)
    levels = 20 * np.log10(np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1)) + 1e-9)
    if not len(levels):
        return []
    heard = levels > max(_FLOOR_DB, float(np.percentile(levels, 95)) - _QUIETER_DB)
    edges = np.flatnonzero(np.diff(np.pad(heard.astype(np.int8), 1)))
    return _bridged([(float(start * _STEP), float(end * _STEP)) for start, end in edges.reshape(-1, 2)])


def _bridged(found: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in found:
        if joined and start - joined[-1][1] < _BRIDGED:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def placed(heard: list[tuple[float, float]], start: float, piece: float, plays: float) -> list[tuple[float, float]]:
    """The spans of a track in the mix; those of a loop come again with each turn."""
    end = start + plays
    turns = np.arange(start, end, piece)
    return [(turn + a, min(turn + b, end)) for turn in turns.tolist() for a, b in heard if turn + a < end]


def write_levels(path: Path, heard: list[tuple[float, float]], down_db: float, seconds: float) -> None:
    """A sound to multiply a track with: 1 where nobody is heard, `down_db` less where somebody is, slopes between."""
    time = np.arange(round((seconds + 1) * RATE)) / RATE
    down = np.zeros(len(time))
    for start, end in heard:
        first, last = int(max(0, start - ATTACK) * RATE), int((end + RELEASE) * RATE) + 1
        near = time[first:last]
        slope = np.minimum((near - start + ATTACK) / ATTACK, (end + RELEASE - near) / RELEASE)
        down[first:last] = np.maximum(down[first:last], slope.clip(0, 1))
    levels = 10 ** (-down_db * down / 20)
    with wave.open(str(path), "wb") as file:
        # Two channels, as one would be made softer when it is spread over two.
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.repeat((levels * 32767).round().astype("<i2"), 2).tobytes())
