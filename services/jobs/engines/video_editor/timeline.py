"""From the clips that were asked for to what is shown when, in whole frames; what can't be shown is refused here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.video_editor.options import MAX_SECONDS, Clip, VideoEditorOptions

# Players round a film's length, and nobody means the last hundredths.
_SLACK = 0.05
_SHOWN = frozenset({"video", "image"})

Media = Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A clip on the timeline. `start` and `frames` are in frames of the film to be, and so is `overlap`: how long the
    clip before is still seen. `taken` is seconds of the source, before the speed is changed."""

    clip: Clip
    media: Media
    start: int
    frames: int
    overlap: int
    taken: float

    @property
    def is_still(self) -> bool:
        return bool(self.media.get("kind", "image") == "image")

    @property
    def end(self) -> int:
        return self.start + self.frames


def parts_of(options: VideoEditorOptions, media: Sequence[Media]) -> list[Part]:
    """The timeline. Raises InvalidInput, naming the field, for a clip that can't be cut as it says."""
    made: list[Part] = []
    for number, clip in enumerate(options.clips or _all_of(media)):
        field = f"options.clips.{number}"
        given = _shown(clip, media, field)
        is_film = given.get("kind") == "video"
        taken = _taken(clip, given, field) if is_film else clip.seconds
        frames = round(taken / (clip.speed if is_film else 1) * options.fps)
        if frames < 1:
            raise InvalidInput("The clip is shorter than a picture of the film.", field=field)
        overlap = _overlap(clip, made, frames, options.fps, field)
        start = made[-1].end - overlap if made else 0
        made.append(Part(clip, given, start, frames, overlap, taken))
    if made[-1].end > MAX_SECONDS * options.fps:
        raise InvalidInput(f"A film may be {MAX_SECONDS // 60} minutes long.", "INPUT_TOO_LARGE", field="options.clips")
    return made


def _all_of(media: Sequence[Media]) -> list[Clip]:
    shown = [Clip(input=number) for number, one in enumerate(media) if one.get("kind", "image") in _SHOWN]
    if not shown:
        raise InvalidInput("Send a film or a picture.", field="input_files")
    return shown


def _shown(clip: Clip, media: Sequence[Media], field: str) -> Media:
    given = sent(media, clip.input, f"{field}.input")
    if given.get("kind", "image") not in _SHOWN:
        raise InvalidInput("A clip is a film or a picture.", field=f"{field}.input")
    return given


def sent(media: Sequence[Media], number: int, field: str) -> Media:
    """What the probe said of a file; raises InvalidInput when there is none of this number."""
    if number >= len(media):
        raise InvalidInput(f"There are {len(media)} files, counted from 0.", field=field)
    return media[number]


def _taken(clip: Clip, film: Media, field: str) -> float:
    length = float(film["duration"])
    if clip.start >= length:
        raise InvalidInput(f"The film is {length:.1f} seconds long.", field=f"{field}.start")
    if clip.end is not None and clip.end <= clip.start:
        raise InvalidInput("The clip ends before it begins.", field=f"{field}.end")
    if clip.end is not None and clip.end > length + _SLACK:
        raise InvalidInput(f"The film is {length:.1f} seconds long.", field=f"{field}.end")
    return min(clip.end or length, length) - clip.start


def _overlap(clip: Clip, before: Sequence[Part], frames: int, fps: int, field: str) -> int:
    """No more than two clips are ever seen together, and none only while another is."""
    if clip.transition == "cut" or not before:
        return 0
    overlap = max(1, round(clip.transition_seconds * fps))
    if overlap >= frames or overlap > before[-1].frames - before[-1].overlap:
        raise InvalidInput("The transition is longer than its clips.", field=f"{field}.transition_seconds")
    return overlap
