"""Sound as arrays: loudness by ITU-R BS.1770, peaks held below full scale, and files of it."""

import wave
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

RATE = 48_000
LOUDNESS = -16.0  # LUFS: what the platforms play speech at.
CEILING = 10 ** (-1.5 / 20)  # -1.5 dBFS leaves the peaks between samples room.
_BLOCK, _STEP = 0.4, 0.1  # Seconds of a gating block, and between the starts of two.
_ABSOLUTE_GATE, _RELATIVE_GATE = -70.0, -10.0
_LOOKAHEAD = 0.005

# The two filters of BS.1770 at 48 kHz: what a head does to sound, and that low tones count for little.
_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)


def resampled(samples: Any, rate: int) -> Any:
    """The sound at RATE, with nothing added above what it had."""
    if rate == RATE:
        return samples
    # A period that both rates divide, so that no sample falls between two.
    padded = np.pad(samples, (0, -len(samples) % rate))
    length = len(padded) * RATE // rate
    made = np.fft.irfft(np.fft.rfft(padded), length) * (length / len(padded))
    return made[: len(samples) * RATE // rate]


def loudness(samples: Any) -> float:
    """Integrated loudness in LUFS of mono or of (samples, channels) at RATE; -inf for silence."""
    channels = samples.reshape(len(samples), -1)
    power = sum(_weighted(channels[:, number]) ** 2 for number in range(channels.shape[1]))
    sums = np.concatenate([[0.0], np.cumsum(power)])
    block, step = round(_BLOCK * RATE), round(_STEP * RATE)
    # What is shorter than a block is measured as one.
    starts = np.arange(0, max(1, len(channels) - block + 1), step)
    ends = np.minimum(starts + block, len(channels))
    blocks = (sums[ends] - sums[starts]) / np.maximum(1, ends - starts)
    for gate in (_ABSOLUTE_GATE, None):
        floor = _level(blocks) + _RELATIVE_GATE if gate is None else gate
        blocks = blocks[blocks > 10 ** ((floor + 0.691) / 10)]
    return _level(blocks)


def _level(powers: Any) -> float:
    mean = float(powers.mean()) if len(powers) else 0.0
    return -0.691 + 10 * float(np.log10(mean)) if mean > 0 else -np.inf


def _weighted(channel: Any) -> Any:
    # Some silence behind, so that the end does not ring into the start: the filters work on a circle.
    length = 1 << (len(channel) + RATE // 2).bit_length()
    return np.fft.irfft(np.fft.rfft(channel, length) * _response(length), length)[: len(channel)]


@lru_cache(maxsize=2)
def _response(length: int) -> Any:
    turn = np.exp(-2j * np.pi * np.arange(length // 2 + 1) / length)
    response = np.ones_like(turn)
    for above, below in _FILTERS:
        response *= np.polyval(above[::-1], turn) / np.polyval(below[::-1], turn)
    return response


def levelled(samples: Any, target: float = LOUDNESS) -> Any:
    """The sound at `target` LUFS, its peaks under CEILING. Silence stays silence."""
    made = samples
    # Holding peaks down makes it a little softer, which the next turn makes up for.
    for _ in range(3):
        found = loudness(made)
        if not np.isfinite(found):
            return samples
        louder = made * 10 ** ((target - found) / 20)
        made = limited(louder)
        if made is louder:
            break
    return made


def limited(samples: Any) -> Any:
    """The sound turned down around each peak that would pass CEILING, smoothly and in time."""
    peaks = np.abs(samples) if samples.ndim == 1 else np.abs(samples).max(axis=1)
    if not len(peaks) or peaks.max() <= CEILING:
        return samples
    reach = round(_LOOKAHEAD * RATE)
    gain = np.pad(np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9)), 2 * reach, constant_values=1.0)
    smooth = _moving_mean(_moving_least(gain, 2 * reach + 1), 2 * reach + 1)
    return samples * (smooth if samples.ndim == 1 else smooth[:, None])


def _moving_least(values: Any, width: int) -> Any:
    """The least of every `width` neighbours, by doubling."""
    reach = 1
    while 2 * reach <= width:
        values = np.minimum(values[:-reach], values[reach:])
        reach *= 2
    return np.minimum(values[: len(values) - (width - reach)], values[width - reach :])


def _moving_mean(values: Any, width: int) -> Any:
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return (sums[width:] - sums[:-width]) / width


def write_wav(path: Path, samples: Any) -> None:
    """Sixteen bits at RATE; mono or (samples, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
