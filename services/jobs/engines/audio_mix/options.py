"""What may be asked of the mix, and what of it can be refused before anything is known of the files."""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.film.probing import MAX_SECONDS
from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.speech.sound import LOUDNESS

MAX_TRACKS = 8
NAME = r"^[a-z0-9][a-z0-9_-]{0,31}$"

Form = Literal["mp3", "m4a", "wav"]


class Track(BaseModel):
    """One sound in the mix. All times are in seconds."""

    model_config = ConfigDict(extra="forbid")

    input: int = Field(0, ge=0, lt=MAX_TRACKS, description="Which of the files, counted from 0; one may play twice.")
    name: str | None = Field(None, pattern=NAME, description="By which another track may say that it makes way.")
    start: float = Field(0, ge=0, lt=MAX_SECONDS, description="When it begins in the mix.")
    trim_start: float = Field(0, ge=0, description="How much of the file's beginning is left out.")
    length: float | None = Field(None, ge=0.05, le=MAX_SECONDS, description="How much of the file; left out: the rest.")
    loop: bool = Field(False, description="Plays again and again until the mix ends.")
    gain_db: float = Field(0, ge=-60, le=20, description="Louder or softer than the file is.")
    fade_in: float = Field(0, ge=0, le=30)
    fade_out: float = Field(0, ge=0, le=30)
    duck_under: str | None = Field(None, pattern=NAME, description="The track that this one makes way for.")
    duck_db: float = Field(12, ge=0, le=40, description="How much softer it is while that track is heard.")


class MixOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tracks": [
                        {"input": 0, "name": "voice", "start": 1.5},
                        {"input": 1, "loop": True, "gain_db": -6, "fade_out": 3, "duck_under": "voice"},
                    ],
                    "format": "m4a",
                }
            ]
        },
    )

    tracks: list[Track] = Field(
        default_factory=list, max_length=MAX_TRACKS, description="Left out: every file plays from the start."
    )
    seconds: float | None = Field(
        None, ge=0.1, le=MAX_SECONDS, description="How long the mix is; left out: until the last track that ends."
    )
    loudness: float | None = Field(
        LOUDNESS, ge=-30, le=-12, description="LUFS, integrated over the whole; null keeps the levels as they add up."
    )
    format: Form = "mp3"


def tracks_of(options: MixOptions, inputs: int) -> list[Track]:
    return options.tracks or [Track(input=number) for number in range(inputs)]


def check(_prompt: str | None, options: MixOptions, inputs: int) -> None:
    """Refuse before a job is made what can't be mixed whatever the files are; the field says which track's fault."""
    if not 1 <= inputs <= MAX_TRACKS:
        raise InvalidInput(f"Send one to {MAX_TRACKS} sounds or films.", field="input_files")
    for number, track in enumerate(options.tracks):
        for name, fault in _faults(track, number, options.tracks, inputs):
            raise InvalidInput(fault, field=f"options.tracks.{number}.{name}")


def _faults(track: Track, number: int, tracks: list[Track], inputs: int) -> Iterator[tuple[str, str]]:
    """Each as the option that it is about and what is wrong with it."""
    others = [other.name for place, other in enumerate(tracks) if place != number]
    if track.input >= inputs:
        yield "input", f"There is no file {track.input}: they are counted from 0."
    if track.name is not None and track.name in others:
        yield "name", "Two tracks have this name."
    if track.duck_under is not None and track.duck_under not in others:
        yield "duck_under", "No other track has this name."
