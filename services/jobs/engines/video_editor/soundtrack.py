"""The film's sound: what the clips say, one giving way to the next, and music that makes room for it."""

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from services.jobs.engines import ffmpeg
from services.jobs.engines.protocol import InputFile
from services.jobs.engines.speech import listening, sound
from services.jobs.engines.speech.sound import RATE
from services.jobs.engines.video_editor.graph import source
from services.jobs.engines.video_editor.options import Music, VideoEditorOptions
from services.jobs.engines.video_editor.timeline import Part

# A cut in the middle of a wave is heard as a click, unless it takes some milliseconds.
_EDGE = 0.005
# Above this somebody has something to say; music is then this much softer.
_AUDIBLE, _DUCKED = 10 ** (-40 / 20), 10 ** (-14 / 20)
_WINDOW, _ATTACK, _RELEASE = 0.05, 0.15, 0.6


def soundtrack(parts: Sequence[Part], inputs: Sequence[InputFile], options: VideoEditorOptions, folder: Path) -> Any:
    """Stereo samples as long as the film, or None for a film in which nothing is to be heard. Raises InvalidInput."""
    length = round(parts[-1].end / options.fps * RATE)
    said = np.zeros((length, 2))
    speaking = [(number, part) for number, part in enumerate(parts) if is_heard(part)]
    for number, part in speaking:
        samples = _sound_of(part, inputs[part.clip.input].path, folder, options.fps)
        following = parts[number + 1].overlap if number + 1 < len(parts) else 0
        _lay(said, samples, part, following, options.fps)
    if options.music is not None:
        said = said + _music(said, inputs[options.music.input], options.music)
    elif not speaking:
        return None
    return sound.levelled(said) if options.level else sound.limited(said)


def is_heard(part: Part) -> bool:
    return bool(part.media.get("has_sound")) and part.clip.volume > 0


def _sound_of(part: Part, path: Path, folder: Path, fps: int) -> Any:
    """The clip's sound at its speed, cut or filled up to its frames."""
    file = folder / "clip.wav"
    tempo = ",".join(f"atempo={step:.4f}" for step in _steps(part.clip.speed))
    heard = ["-map", "0:a:0", "-vn", "-af", f"{tempo},aresample={RATE}", "-ac", "2", "-c:a", "pcm_s16le"]
    ffmpeg.run([*source(part, path), *heard, "-f", "wav", str(file)], folder)
    with wave.open(str(file), "rb") as opened:
        raw = np.frombuffer(opened.readframes(opened.getnframes()), "<i2").reshape(-1, 2) / 32768
    file.unlink()
    wanted = round(part.frames / fps * RATE)
    return np.pad(raw[:wanted], ((0, max(0, wanted - len(raw))), (0, 0)))


def _steps(speed: float) -> list[float]:
    """Speeds that one filter each changes without artefacts, which together are the one that is wanted."""
    if speed < 0.5:
        return [0.5, speed / 0.5]
    return [2.0, speed / 2] if speed > 2 else [speed]


def _lay(said: Any, samples: Any, part: Part, following: int, fps: int) -> None:
    """Add the clip at its place; where two overlap, one goes as loud as the other comes."""
    come = max(round(part.overlap / fps * RATE), round(_EDGE * RATE))
    go = max(round(following / fps * RATE), round(_EDGE * RATE))
    made = samples * part.clip.volume
    come, go = min(come, len(made)), min(go, len(made))
    made[:come] *= np.sin(np.linspace(0, np.pi / 2, come))[:, None]
    made[len(made) - go :] *= np.cos(np.linspace(0, np.pi / 2, go))[:, None]
    at = round(part.start / fps * RATE)
    room = min(len(made), len(said) - at)
    said[at : at + room] += made[:room]


def _music(said: Any, given: InputFile, music: Music) -> Any:
    length = len(said)
    heard = listening.sound_of(given, rate=RATE, layout="stereo", seconds=music.start + length / RATE + 1)
    begun = heard[round(music.start * RATE) :]
    made = np.resize(begun if len(begun) else heard, (length, 2)) * music.volume
    edge = min(round(music.fade * RATE), length // 2)
    made[:edge] *= np.linspace(0, 1, edge)[:, None]
    made[length - edge :] *= np.linspace(1, 0, edge)[:, None]
    return made * _room(said)[:, None] if music.duck else made


def _room(said: Any) -> Any:
    """How loud music may be at each sample: down a little before something is said, and slowly up behind it."""
    step = round(_WINDOW * RATE)
    windows = np.pad(said, ((0, -len(said) % step), (0, 0))).reshape(-1, step * 2)
    talking = (np.sqrt((windows**2).mean(axis=1)) > _AUDIBLE).astype(float)
    before, behind = round(_ATTACK / _WINDOW), round(_RELEASE / _WINDOW)
    level, held = np.zeros(len(talking)), 0.0
    for number in range(len(talking)):
        ahead = talking[number : number + before + 1]
        held = max(0.0, held - 1 / behind)
        held = max(held, max((value * (1 - place / (before + 1)) for place, value in enumerate(ahead)), default=0.0))
        level[number] = held
    smooth = np.interp(np.arange(len(said)) / step, np.arange(len(level)) + 0.5, level)
    return 1 + (_DUCKED - 1) * smooth
