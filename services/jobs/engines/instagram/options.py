"""What may be asked of the Instagram tool, and the sizes and safe areas of the places it makes pictures for."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.framing import Colour, Focus
from services.jobs.engines.output import Format
from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.shaping import Box

MAX_SLIDES = 10
MAX_CAPTION = 200

SIZES = {
    "square": (1080, 1080),
    "portrait": (1080, 1350),
    "landscape": (1080, 566),
    "story": (1080, 1920),
    "reel-cover": (1080, 1920),
}
# The app lays its own controls over the top 250 and the bottom 340 pixels of a story; of a reel's cover the profile
# grid shows the middle 1080 x 1440 only. Posts are covered by nothing and get an even margin.
SAFE_AREAS = {
    "square": Box(54, 54, 972, 972),
    "portrait": Box(54, 54, 972, 1242),
    "landscape": Box(54, 40, 972, 486),
    "story": Box(64, 250, 952, 1330),
    "reel-cover": Box(64, 304, 952, 1312),
}


class InstagramOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"place": "story", "fit": "blur", "filter": "warm"}]}
    )

    place: Literal["square", "portrait", "landscape", "story", "reel-cover"] = Field(
        "portrait", description="1080x1080, 1080x1350, 1080x566, and 1080x1920 pixels for the last two."
    )
    fit: Literal["cover", "pad", "blur"] = Field(
        "cover", description="`cover` cuts; `pad` and `blur` show all, on a colour or on a blur of the picture."
    )
    focus: Focus = Field("centre", description="What `cover` keeps.")
    filter: Literal["none", "warm", "cool", "vivid", "fade", "mono", "noir"] = "none"
    slices: int = Field(
        1, ge=1, le=MAX_SLIDES, description="Cuts one picture into this many slides that join without a seam."
    )
    frame: int = Field(0, ge=0, le=160, description="Pixels of border in the background colour.")
    radius: int = Field(0, ge=0, le=200, description="Pixels of round corners inside the border.")
    background: Colour = "#ffffff"
    format: Format = "jpeg"


def check(prompt: str | None, options: InstagramOptions, inputs: int) -> None:
    if inputs < 1:
        raise InvalidInput("Send at least one picture.", field="input_files")
    if options.slices > 1 and inputs > 1:
        raise InvalidInput("Only a single picture can be cut into slides.", field="options.slices")
    if options.slices > 1 and (options.frame or options.radius):
        raise InvalidInput("Slides that join have no border and no round corners.", field="options.slices")
    if options.slices > 1 and options.place in ("story", "reel-cover"):
        raise InvalidInput("Only posts can be carousels; choose square, portrait or landscape.", field="options.place")
    if len((prompt or "").strip()) > MAX_CAPTION:
        raise InvalidInput(f"The words on a picture have at most {MAX_CAPTION} characters.", "INPUT_TOO_LARGE")
