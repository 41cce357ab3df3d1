"""What an engine is given and what it gives back; the same for every tool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from services.jobs.engines.extras import Part

InvalidInputCode = Literal["INVALID_INPUT", "UNSUPPORTED_MEDIA", "INPUT_TOO_LARGE"]


class InvalidInput(Exception):
    """The job can never succeed as asked; `message` is written for the user, `field` is the one it is about."""

    def __init__(self, message: str, code: InvalidInputCode = "INVALID_INPUT", *, field: str = "prompt") -> None:
        super().__init__(message)
        self.code: InvalidInputCode = code
        self.field = field
        self.message = message


@dataclass(frozen=True)
class InputFile:
    """A file the user uploaded; `media` is what the probe said about it, its `kind` above all."""

    path: Path
    media: dict[str, Any] = field(default_factory=dict)


class Context(Protocol):
    """What the runner lends to one run: an empty folder to write in, the seed, the inputs."""

    workdir: Path
    seed: int
    inputs: list[InputFile]

    def progress(self, percent: int, stage: str) -> None: ...


@dataclass(frozen=True)
class OutputFile:
    """A finished file inside the work folder; `duration` is seconds, for sound and film."""

    path: Path
    name: str
    kind: str
    content_type: str
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Output:
    """`units` is what the run really used, in the metrics of the quota."""

    files: list[OutputFile]
    data: dict[str, Any]
    units: dict[str, int]


@dataclass(frozen=True)
class Quote:
    """What one order will take: the units to hold, which are the most that it can use, and seconds on an idle core."""

    units: dict[str, int]
    seconds: float


@dataclass(frozen=True)
class Tool:
    """One entry of the catalogue.

    `check` raises InvalidInput for a request that `run` would refuse anyway, so that it can be refused
    before a job is made. `est_seconds` is for one idle core. `accepts_inputs` is the most files a run takes, and
    `input_kinds` what they may be. A tool that `needs_extras` runs where the engines' own packages are (see `extras`),
    as long as the `parts` of them that it names are whole.
    `units` and `est_seconds` are for the catalogue. A tool whose cost depends on the prompt or on how long its inputs
    are has a `quote` too, from the prompt, the options and what the probe said of each input; that is what is held.
    """

    id: str
    family: Literal["ai", "studio"]
    title: str
    description: str
    lane: str
    kind: str
    options: type[BaseModel]
    accepts_inputs: int
    needs_prompt: bool
    units: Callable[[Any], dict[str, int]]
    est_seconds: Callable[[Any], float]
    check: Callable[[str | None, Any, int], None]
    run: Callable[[Context, str | None, Any], Output]
    engine_name: str = "local"
    engine_version: str = "1"
    input_kinds: tuple[str, ...] = ("image",)
    needs_extras: bool = False
    parts: tuple[Part, ...] = ()
    quote: Callable[[str | None, Any, Sequence[Mapping[str, Any]]], Quote] | None = None


class Retryable(Exception):
    """The run failed in a way that may pass. `retry_after` in seconds overrides the queue's own back-off."""

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
