"""The timeline as a creator writes it. Times are in seconds, places and sizes are shares of the film."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.framing import Colour
from services.jobs.engines.subtitles.formats import Position, StyleName

MAX_CLIPS, MAX_TEXTS, MAX_CUES = 30, 20, 400
MAX_SECONDS = 300
LONGEST_CUES, LONGEST_WORDS = 40_000, 300

Fit = Literal["cover", "contain", "blur"]
Shape = Literal["16:9", "9:16", "1:1", "4:5"]
Transition = Literal["cut", "crossfade", "black"]
Share = Annotated[float, Field(ge=0, le=1)]
Words = Annotated[str, Field(min_length=1, max_length=LONGEST_WORDS)]
InputNumber = Annotated[int, Field(ge=0, le=99, description="Which of the sent files, counted from 0.")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Crop(_Part):
    """The part of the picture that is kept; the whole is 1 wide and 1 high."""

    x: Share = 0
    y: Share = 0
    width: Annotated[float, Field(ge=0.05, le=1)] = 1
    height: Annotated[float, Field(ge=0.05, le=1)] = 1


class Clip(_Part):
    input: InputNumber = 0
    start: float = Field(0, ge=0, description="Where in the film the clip begins.")
    end: float | None = Field(None, gt=0, description="Where in the film it ends; null: at the film's end.")
    seconds: float = Field(3, ge=0.2, le=60, description="How long a picture stays; films tell by start and end.")
    speed: float = Field(1, ge=0.25, le=4, description="The sound keeps its pitch.")
    crop: Crop = Crop()
    fit: Fit | None = Field(None, description="Null: as the whole film has it.")
    volume: float = Field(1, ge=0, le=2)
    transition: Transition = Field("cut", description="From the clip before to this one, during which both are seen.")
    transition_seconds: float = Field(0.5, ge=0.1, le=2)


class Text(_Part):
    text: Words
    start: float = Field(0, ge=0)
    end: float | None = Field(None, gt=0, description="Null: to the end.")
    place: Position = "bottom"
    size: Literal["small", "medium", "large"] = "medium"
    colour: Colour = "#ffffff"
    ground: Colour | None = Field(None, description="A box behind it; null: an outline instead.")


class Logo(_Part):
    input: InputNumber
    corner: Literal["top left", "top right", "bottom left", "bottom right"] = "top right"
    width: float = Field(0.14, ge=0.03, le=0.5)
    opacity: float = Field(0.9, ge=0.05, le=1)


class CueText(_Part):
    start: float = Field(ge=0)
    end: float = Field(gt=0)
    text: Words


class Captions(_Part):
    cues: list[CueText] = Field([], max_length=MAX_CUES)
    srt: str | None = Field(None, max_length=LONGEST_CUES, description="The same as a SubRip file; one of the two.")
    style: StyleName = "classic"
    position: Position = "bottom"


class Music(_Part):
    input: InputNumber
    start: float = Field(0, ge=0, description="Where in the music it begins; it is repeated when it ends too early.")
    volume: float = Field(0.6, ge=0, le=2)
    duck: bool = Field(True, description="Softer while a clip has something to say.")
    fade: float = Field(1.5, ge=0, le=10, description="Seconds in which it comes and goes.")


class VideoEditorOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "shape": "9:16",
                    "clips": [
                        {"input": 0, "start": 2, "end": 6.5},
                        {"input": 1, "seconds": 3, "transition": "crossfade"},
                    ],
                    "texts": [{"text": "Open at seven", "start": 0.5, "end": 4, "place": "top"}],
                    "music": {"input": 2},
                }
            ]
        },
    )

    clips: list[Clip] = Field([], max_length=MAX_CLIPS, description="Empty: every sent film and picture, in order.")
    shape: Shape = "16:9"
    height: Literal[360, 480, 720, 1080] = Field(720, description="Of the shorter side, in pixels.")
    fps: Literal[24, 25, 30, 50, 60] = 30
    fit: Fit = Field("blur", description="How a clip of another shape fills the film; blur: whole, on a soft copy.")
    ground: Colour = Field("#000000", description="Beside a clip that is contained.")
    texts: list[Text] = Field([], max_length=MAX_TEXTS)
    logo: Logo | None = None
    captions: Captions | None = None
    music: Music | None = None
    level: bool = Field(True, description="Bring the sound to -16 LUFS, as platforms play it.")

    @property
    def size(self) -> tuple[int, int]:
        across, down = (int(side) for side in self.shape.split(":"))
        unit = self.height / min(across, down)
        return round(across * unit / 2) * 2, round(down * unit / 2) * 2
