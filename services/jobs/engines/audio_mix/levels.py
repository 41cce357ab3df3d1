"""How loud a mix is, and bringing it to where it should be with its peaks held.

Two passes: the first says how loud the whole is, the second turns all of it up or down by as much, so that what was
soft stays soft; a limiter at four times the rate, where the peaks between samples show, turns down what would be too
high. What it takes away is measured and made up for.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf, log10
from pathlib import Path

from services.jobs.engines import ffmpeg
from services.jobs.engines.speech.sound import RATE

CEILING_DB = -1.5  # Of the true peak, as ITU-R BS.1770 measures it.
# Under the ceiling by what the way back to the file's own rate may add.
_LIMIT_DB = CEILING_DB - 0.2
SILENCE = -69.0  # LUFS: what is softer is not measured.
_NEAR_ENOUGH = 0.1
_ROUNDS = 5
_LEAST_YIELD = 0.25
_RESULT = re.compile(r"lavfi\.r128\.(I|true_peaks_ch\d)=(\S+)")


@dataclass(frozen=True)
class Level:
    """LUFS, integrated, and the highest true peak of any channel in dB of full scale."""

    loudness: float
    peak: float

    @property
    def is_silent(self) -> bool:
        return self.loudness <= SILENCE


def measuring(folder: Path) -> str:
    """A filter that lets the sound through and writes its level, so far, into a file of ours; `measured` reads it."""
    (folder / "level.txt").unlink(missing_ok=True)
    return "ebur128=metadata=1:peak=true,ametadata=mode=print:file=level.txt"


def measured(folder: Path) -> Level:
    """What the last pass through `measuring` found over the whole."""
    found: dict[str, float] = {}
    with (folder / "level.txt").open() as lines:
        for line in lines:
            if result := _RESULT.match(line):
                found[result[1]] = float(result[2])
    peak = max((value for name, value in found.items() if name != "I"), default=0.0)
    return Level(found.get("I", -inf), 20 * log10(peak) if peak else -inf)


def brought_to(target: float | None, mix: Path, level: Level, done: Callable[[float], None]) -> tuple[Path, Level]:
    """The mix at `target` LUFS, or as it is, with no peak above the ceiling; and what was measured of it."""
    gain = 0.0 if target is None or level.is_silent else target - level.loudness
    if abs(gain) < _NEAR_ENOUGH and level.peak <= CEILING_DB:
        return mix, level
    if level.peak + gain <= CEILING_DB:
        return _passed(mix, f"volume={gain:.3f}dB", done)
    return _limited(target, mix, level, gain, done)


def _limited(
    target: float | None, mix: Path, level: Level, gain: float, done: Callable[[float], None]
) -> tuple[Path, Level]:
    """Turned up by more and more, as each decibel yields less of loudness the more of it goes into the limiter."""
    before, added = level.loudness, gain
    for turn in range(_ROUNDS):
        heard = partial(_share_of_turn, done, turn)
        made, found = _passed(mix, f"volume={gain:.3f}dB,{_limiter()}", heard)
        lacking = 0.0 if target is None else target - found.loudness
        if abs(lacking) <= _NEAR_ENOUGH:
            break
        share = (found.loudness - before) / added if added else 1.0
        before, added = found.loudness, lacking / min(1.0, max(_LEAST_YIELD, share))
        gain += added
    return made, found


def _share_of_turn(done: Callable[[float], None], turn: int, share: float) -> None:
    done((turn + share) / _ROUNDS)


def _limiter() -> str:
    limit = 10 ** (_LIMIT_DB / 20)
    return f"aresample=192000,alimiter=limit={limit:.4f}:attack=5:release=60:level=0:latency=1,aresample={RATE}"


def _passed(mix: Path, filters: str, done: Callable[[float], None]) -> tuple[Path, Level]:
    made = mix.with_name("levelled.wav")
    arguments = [*ffmpeg.source(mix, "wav"), "-af", f"{filters},{measuring(mix.parent)}", "-c:a", "pcm_f32le"]
    ffmpeg.run([*arguments, "-f", "wav", made.name], mix.parent, seconds=_seconds_of(mix), done=done)
    return made, measured(mix.parent)


def _seconds_of(mix: Path) -> float:
    """Of two channels of floats at our rate."""
    return mix.stat().st_size / (RATE * 2 * 4)
