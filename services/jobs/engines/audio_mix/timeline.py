"""Where each track is in the mix, once it is known how long the files are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.jobs.engines.audio_mix.options import MixOptions, Track, tracks_of
from services.jobs.engines.film.probing import MAX_SECONDS
from services.jobs.engines.protocol import InvalidInput


@dataclass(frozen=True)
class Placed:
    """A track in its place: `piece` seconds of its file are heard for `plays` seconds, which is more in a loop."""

    number: int
    track: Track
    piece: float
    plays: float

    @property
    def end(self) -> float:
        return self.track.start + self.plays


@dataclass(frozen=True)
class Timeline:
    placed: list[Placed]
    seconds: float


def timeline(media: Sequence[Mapping[str, Any]], options: MixOptions) -> Timeline:
    """Raises InvalidInput, with the field, for files without sound and for times that lie outside of them."""
    if any(one.get("kind") == "video" and not one["has_sound"] for one in media):
        raise InvalidInput("A film among the files has no sound.", field="input_files")
    tracks = tracks_of(options, len(media))
    pieces = [_piece(number, track, media[track.input]) for number, track in enumerate(tracks)]
    seconds = options.seconds or _length(tracks, pieces)
    return Timeline([_placed(n, *both, seconds) for n, both in enumerate(zip(tracks, pieces, strict=True))], seconds)


def _piece(number: int, track: Track, media: Mapping[str, Any]) -> float:
    whole = float(media["duration"])
    if track.trim_start >= whole:
        raise _refused(number, "trim_start", f"The file is {whole:.1f} seconds long.")
    there = whole - track.trim_start
    return there if track.length is None else min(there, track.length)


def _length(tracks: Sequence[Track], pieces: Sequence[float]) -> float:
    ends = [track.start + piece for track, piece in zip(tracks, pieces, strict=True) if not track.loop]
    if not ends:
        raise InvalidInput("Every track is a loop: say how long the mix is.", field="options.seconds")
    if max(ends) > MAX_SECONDS:
        raise InvalidInput(f"A mix may be {MAX_SECONDS // 60} minutes long.", "INPUT_TOO_LARGE", field="options.tracks")
    return max(ends)


def _placed(number: int, track: Track, piece: float, seconds: float) -> Placed:
    room = seconds - track.start
    if room <= 0:
        raise _refused(number, "start", f"The mix is {seconds:.1f} seconds long.")
    plays = room if track.loop else min(piece, room)
    if track.fade_in + track.fade_out > plays:
        raise _refused(number, "fade_out", f"The fades are longer than the {plays:.1f} seconds that are heard.")
    return Placed(number, track, piece, plays)


def _refused(number: int, option: str, fault: str) -> InvalidInput:
    return InvalidInput(fault, field=f"options.tracks.{number}.{option}")
