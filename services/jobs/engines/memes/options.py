"""What may be asked of the meme engine, and how its prompt is read."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

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


class MemeOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"template": "laptop-cat", "captions": ["just one quick email", "the cat: no"]}]
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
    format: Format | None = Field(None, description="Left out: PNG.")
    size: int = Field(1080, ge=320, le=2048, description="Width in pixels.")


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
    if options.layout in ("top-bottom", "caption-bar") and (len(wanted) > 2 or inputs > 1):
        raise InvalidInput(f"The layout {options.layout} takes one picture and at most two captions.")
