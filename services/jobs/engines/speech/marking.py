"""When each word is said, found by comparing two takes that differ in nothing but the loudness of every other word.

The voice tells no times. But its melody does not depend on loudness, so that where the second take is softer, an
evenly numbered word is being said. That is exact to a few milliseconds and needs no recognition.
"""

import itertools
from typing import Any

import numpy as np

FRAME = 80  # Samples: 5 ms at the voice's rate.
SOFT = 0.3
_SILENCE = 0.015  # Of the loudest frame: what is softer around a word is no part of it.
_WINDOW, _BANDS = 400, 20


def spans(loud: Any, marked: Any, words: int) -> list[tuple[float, float]]:
    """Start and end of each word in samples of `loud`; in `marked` words 0, 2, 4 … are SOFT."""
    whole, soft = _rms(loud), _rms(marked)
    length = min(len(whole), len(soft))
    whole, soft = whole[:length], soft[:length]
    evidence = np.stack([-((soft - level * whole) ** 2) for level in (SOFT, 1.0)])
    bounds = _segments(evidence, words)
    floor = _SILENCE * float(whole.max(initial=0))
    return [_trimmed(whole, start, end, floor) for start, end in itertools.pairwise(bounds)]


def _rms(samples: Any) -> Any:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1))


def _segments(evidence: Any, words: int) -> list[int]:
    """The most likely frame in which each word begins, given that soft and loud ones take turns; then the end."""
    length = evidence.shape[1]
    sums = np.concatenate([np.zeros((2, 1)), np.cumsum(evidence, axis=1)], axis=1)
    best = np.full(length + 1, -np.inf)
    best[0] = 0.0
    came: list[Any] = []
    for word in range(words):
        own = sums[word % 2]
        gain = best - own
        top = np.maximum.accumulate(gain)
        # Where the word would have begun, for each frame that it may end before.
        came.append(np.maximum.accumulate(np.where(gain == top, np.arange(length + 1), 0)))
        best = own + top
    bounds = [length]
    for starts in reversed(came):
        bounds.append(int(starts[bounds[-1]]))
    return bounds[::-1]


def _trimmed(whole: Any, start: int, end: int, floor: float) -> tuple[float, float]:
    heard = np.flatnonzero(whole[start:end] > floor)
    if len(heard):
        start, end = start + int(heard[0]), start + int(heard[-1]) + 1
    return float(start * FRAME), float(end * FRAME)


def carried_over(
    times: list[tuple[float, float]], source: Any, target: Any, hop: int = 160
) -> list[tuple[float, float]]:
    """Times in one take as times in another of the same words, by the path on which both sound most alike.

    `hop` in samples is how finely they are compared; time and memory grow with the square of how many fit in.
    """
    if len(source) == len(target) and np.array_equal(source, target):
        return times
    path = _path(_features(source, hop), _features(target, hop))
    place = np.interp(np.array(times) / hop, path[:, 0], path[:, 1]) * hop
    return [(float(start), float(end)) for start, end in place]


def _features(samples: Any, hop: int) -> Any:
    """Log energies in bands, a row every `hop`; each band around its own mean, so that no microphone matters."""
    window = max(_WINDOW, 2 * hop)
    padded = np.pad(samples.astype(np.float64), (window // 2, window))
    count = len(samples) // hop + 1
    rows = np.lib.stride_tricks.sliding_window_view(padded, window)[: count * hop : hop][:count]
    power = np.abs(np.fft.rfft(rows * np.hanning(window), axis=1)) ** 2
    edges = np.unique(np.geomspace(3, power.shape[1], _BANDS + 1).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1)
    logs = np.log(bands + 1e-6 * bands.max(initial=1e-9))
    return (logs - logs.mean(axis=0)).astype(np.float32)


def _path(one: Any, other: Any) -> Any:
    """Dynamic time warping: pairs of frames, the first rising strictly so that it can be interpolated."""
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1)[None, :] - 2 * one @ other.T
    apart = np.sqrt(np.maximum(squares, 0))
    rows, columns = apart.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    total[0, 0] = 0.0
    for diagonal in range(rows + columns - 1):
        row = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        column = diagonal - row
        before = np.minimum(total[row, column], np.minimum(total[row, column + 1], total[row + 1, column]))
        total[row + 1, column + 1] = before + apart[row, column]
    return _walked_back(total)


def _walked_back(total: Any) -> Any:
    row, column = total.shape[0] - 1, total.shape[1] - 1
    pairs = {row - 1: column - 1}
    while row > 1 or column > 1:
        steps = ((row - 1, column - 1), (row - 1, column), (row, column - 1))
        row, column = min(steps, key=lambda step: total[step])
        pairs[row - 1] = column - 1
    return np.array(sorted(pairs.items()), dtype=float)
