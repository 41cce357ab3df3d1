"""When each caption is shown over what moves, and in which of the two places."""

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.protocol import InvalidInput

Place = Literal["top", "bottom"]


class CaptionTime(BaseModel):
    """Seconds from the film's beginning."""

    model_config = ConfigDict(extra="forbid")

    start: float = Field(0, ge=0)
    end: float | None = Field(None, gt=0, description="null: to the end of the film.")
    place: Place | None = Field(None, description="null: the first caption stands at the top, the others below.")


class Timed(NamedTuple):
    """A caption with its place and time; `end` is None for one that stays, and `arrives` says that it is animated."""

    words: str
    place: Place
    start: float
    end: float | None
    arrives: bool


def timed(captions: Sequence[str], times: Sequence[CaptionTime]) -> list[Timed]:
    """The captions that have words. Without times they are there from the first picture to the last.

    Raises InvalidInput for times that contradict the captions or each other.
    """
    if times and len(times) != len(captions):
        raise _refused(f"There are {len(captions)} captions and {len(times)} times for them.")
    every = times or [CaptionTime() for _ in captions]
    found = [
        _one(number, words, time, arrives=bool(times))
        for number, (words, time) in enumerate(zip(captions, every, strict=True))
    ]
    shown = [one for one in found if one.words]
    for one, other in combinations(shown, 2):
        _refuse_overlap(one, other)
    return shown


def _one(number: int, words: str, time: CaptionTime, *, arrives: bool) -> Timed:
    if time.end is not None and time.end <= time.start:
        raise _refused("The caption ends before it begins.", f"options.times.{number}.end")
    return Timed(words, time.place or ("bottom" if number else "top"), time.start, time.end, arrives)


def _refuse_overlap(one: Timed, other: Timed) -> None:
    first, second = sorted((one, other), key=lambda caption: caption.start)
    if first.place == second.place and (first.end is None or first.end > second.start):
        raise _refused(f"Two captions are at the {first.place} at the same time; give each its own in options.times.")


def _refused(message: str, field: str = "options.times") -> InvalidInput:
    return InvalidInput(message, field=field)
