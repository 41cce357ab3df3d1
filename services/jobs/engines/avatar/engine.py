"""The avatar engine: a figure says a script, its mouth led by the voice's own times and loudness."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.avatar import looks
from services.jobs.engines.avatar.character import Hair
from services.jobs.engines.extras import FFMPEG, FILM_READER, VISION, VOICES
from services.jobs.engines.film import spoken
from services.jobs.engines.film.drawing import write_film
from services.jobs.engines.film.spoken import RATE
from services.jobs.engines.framing import Colour, opaque
from services.jobs.engines.media import open_picture
from services.jobs.engines.protocol import Context, InvalidInput, Output, Quote, Tool
from services.jobs.engines.reels.captions import Captions
from services.jobs.engines.speech import sound
from services.jobs.engines.speech.performance import Performance, perform
from services.jobs.engines.voiceover.engine import VoiceOptions, described

SIZES = {"square": (1080, 1080), "story": (1080, 1920)}


class Mouth(BaseModel):
    """Where the mouth is in the picture that is sent, as shares of its width and height from the top left."""

    model_config = ConfigDict(extra="forbid")

    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)
    width: float = Field(gt=0.01, le=0.6, description="A share of the picture's width.")


class AvatarOptions(VoiceOptions):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"look": "character", "hair": "curly"}, {"look": "portrait", "size": "story"}]},
    )

    look: Literal["character", "puppet", "portrait"] = Field(
        "character",
        description="A drawn figure; your photo, which speaks and blinks; or your picture in a ring of sound.",
    )
    size: Literal["square", "story"] = "square"
    hair: Hair | None = Field(None, description="Of the character; null: as the seed has it, like its colours.")
    mouth: Mouth | None = Field(None, description="Of the puppet; null: below the surest face that is found.")
    captions: bool = True
    accent: Colour = Field("#ffd23b", description="Behind the word that is being said, and of the ring.")


def run(ctx: Context, prompt: str | None, options: AvatarOptions) -> Output:
    """Make the film. Raises InvalidInput for what can't be spoken, and for a photo without a face."""
    check(prompt, options, len(ctx.inputs))
    ctx.progress(2, "speaking")
    played = perform(prompt or "", options.pauses, options.manner, RATE)
    ctx.progress(8, "dressing")
    picture = opaque(open_picture(ctx.inputs[0].path)) if ctx.inputs else None
    shown = _look(options, picture, played, ctx.seed)
    wav = ctx.workdir / "voice.wav"
    sound.write_wav(wav, sound.levelled(played.loud))
    ctx.progress(14, "filming")
    file = write_film(
        ctx.workdir / "avatar.mp4",
        _frames(options, played, shown),
        wav,
        size=SIZES[options.size],
        rate=RATE,
        count=played.count,
        done=lambda share: ctx.progress(14 + round(share * 84), "filming"),
    )
    ctx.progress(100, "done")
    data = {"kind": "avatar", "look": options.look, **described(played.words, played.seconds)}
    return Output([file], data, spoken.counted(played, prompt or "", options))


def _look(options: AvatarOptions, picture: Image.Image | None, played: Performance, seed: int) -> Callable[[int], Any]:
    size = SIZES[options.size]
    if options.look == "puppet" and picture is not None:
        place = (options.mouth.x, options.mouth.y, options.mouth.width) if options.mouth else None
        return looks.puppet(picture, place, played, size, seed)
    if options.look == "portrait":
        return looks.portrait(picture, options.hair, played, size, options.accent, seed)
    return looks.character(options.hair, played, size, seed)


def _frames(options: AvatarOptions, played: Performance, shown: Callable[[int], Any]) -> Any:
    size = SIZES[options.size]
    captions = Captions(played.words, played.seconds, size, "bottom", options.accent) if options.captions else None
    for number in range(played.count):
        yield captions.onto(shown(number), number / RATE) if captions else shown(number)


def check(prompt: str | None, options: AvatarOptions, inputs: int) -> None:
    if options.look == "puppet" and not inputs:
        raise InvalidInput("A puppet is made of a photo: send one.", field="input_files")
    if options.look == "character" and inputs:
        raise InvalidInput("The character is drawn: choose puppet or portrait for a picture.", field="input_files")
    spoken.refuse_script(prompt or "", options)


def quote(prompt: str | None, options: AvatarOptions, _media: Sequence[Mapping[str, Any]]) -> Quote:
    return spoken.quote(prompt or "", options, work=0.4)


def est_seconds(_options: AvatarOptions) -> float:
    return 15.0


TOOL = Tool(
    id="avatar",
    family="ai",
    title="Avatar",
    description=(
        "A figure that says your script, in three looks: a drawn character whose mouth follows the letters and the "
        "loudness of each word; a puppet, which is your photo with lips that part and eyes that blink; and your "
        "picture in a ring of sound. None of them is photoreal or meant to be taken for a person, and the voice is a "
        "small synthetic one."
    ),
    lane="render",
    kind="film",
    options=AvatarOptions,
    accepts_inputs=1,
    needs_prompt=True,
    units=spoken.units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    needs_extras=True,
    parts=(VOICES, FFMPEG, FILM_READER, VISION),
    quote=quote,
)
