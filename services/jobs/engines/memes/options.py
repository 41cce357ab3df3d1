"""What may be asked of the meme engine, and how its prompt is read."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import extras
from services.jobs.engines.memes.motion import Animation
from services.jobs.engines.memes.timing import CaptionTime, timed
from services.jobs.engines.output import Format
from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.text import clean

MAX_CAPTIONS = 6
MAX_CAPTION = 300
SEPARATOR = "|"

TemplateId = Literal[
    "midnight-raccoon",
    "laptop-cat",
    "snail-rocket",
    "listening-duck",
    "first-hill",
    "unfair-scale",
    "calm-then-panic",
    "growing-plant",
]
LayoutId = Literal["auto", "top-bottom", "caption-bar", "panels"]
# A loop is sent whole before it plays, so it is smaller unless asked; and every frame of a film costs its pixels.
WIDTH, LOOP_WIDTH, WIDEST_MOVING = 1080, 600, 1080


class MemeOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"template": "laptop-cat", "captions": ["just one quick email", "the cat: no"]},
                {"format": "gif", "animation": "typewriter", "hold_seconds": 3},
                {"captions": ["wait for it", "there"], "times": [{"end": 2}, {"start": 2, "place": "bottom"}]},
            ]
        },
    )

    template: TemplateId | None = Field(
        None, description="A drawn template; left out, your picture is used, or a template that suits the captions."
    )
    captions: list[Annotated[str, Field(max_length=MAX_CAPTION)]] = Field(
        default_factory=list,
        max_length=MAX_CAPTIONS,
        description="Instead of a prompt; an empty one leaves its place free.",
    )
    layout: LayoutId = Field(
        "auto", description="`auto` follows the template, or puts two captions on a picture and more into panels."
    )
    format: Format | Literal["gif", "mp4"] | None = Field(
        None,
        description="Left out: PNG, and of what moves an MP4, or the kind of animated picture that it was. "
        "In a GIF or an MP4 of a still picture the captions appear one after another.",
    )
    size: int | None = Field(
        None,
        ge=320,
        le=2048,
        description=f"Width in pixels. Left out: {WIDTH}, for a GIF {LOOP_WIDTH}. At most {WIDEST_MOVING} if it moves.",
    )
    times: list[CaptionTime] = Field(
        default_factory=list,
        max_length=MAX_CAPTIONS,
        description="On a film or an animated picture: when each caption is there. Left out, they stay.",
    )
    animation: Animation = Field("pop", description="How captions appear in a GIF or an MP4, or at their times.")
    hold_seconds: float = Field(2, ge=0.5, le=6, description="How long a GIF or an MP4 shows the whole meme.")

    @property
    def width(self) -> int:
        return self.size or (LOOP_WIDTH if self.format == "gif" else WIDTH)

    @property
    def moves(self) -> bool:
        return self.format in ("gif", "mp4")


def captions(prompt: str | None, options: MemeOptions) -> list[str]:
    """The captions in order, empty ones kept for their place. Raises InvalidInput when there is nothing to write."""
    given = options.captions or (prompt or "").split(SEPARATOR)
    tidy = [clean(caption) for caption in given]
    if not any(tidy):
        raise InvalidInput("Write at least one caption; several are separated by ' | '.")
    if len(tidy) > MAX_CAPTIONS:
        raise InvalidInput(f"A meme has at most {MAX_CAPTIONS} captions, not {len(tidy)}.")
    if any(len(caption) > MAX_CAPTION for caption in tidy):
        raise InvalidInput(f"A caption has at most {MAX_CAPTION} characters.", "INPUT_TOO_LARGE")
    return tidy


def check(prompt: str | None, options: MemeOptions, inputs: int) -> None:
    """Refuse before a job is made what `run` would refuse: no words, too many, or two sources for the picture."""
    wanted = captions(prompt, options)
    if inputs and options.template:
        raise InvalidInput("Choose a template or send a picture, not both.")
    if inputs > MAX_CAPTIONS:
        raise InvalidInput(f"A meme takes at most {MAX_CAPTIONS} pictures.")
    if inputs > max(1, len(wanted)):
        raise InvalidInput("There are more pictures than captions; leave a caption empty to keep its picture bare.")
    if options.layout in ("top-bottom", "caption-bar") and (len(wanted) > 2 or inputs > 1) and not options.times:
        raise InvalidInput(f"The layout {options.layout} takes one picture and at most two captions.")
    if options.times:
        timed(wanted, options.times)
    _refuse_motion(options)


def _refuse_motion(options: MemeOptions) -> None:
    if options.moves and options.width > WIDEST_MOVING:
        raise InvalidInput(f"What moves is at most {WIDEST_MOVING} pixels wide.", field="options.size")
    if options.format == "mp4" and (fault := extras.lacks((extras.FFMPEG,))):
        raise InvalidInput(f"Films can't be made yet. {fault} A GIF can.", field="options.format")
