"""The reels engine: a script is spoken over moving pictures, with captions that are sung along and music beneath."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from PIL import Image
from pydantic import ConfigDict, Field

from services.jobs.engines.extras import FFMPEG, FILM_READER, VISION, VOICES
from services.jobs.engines.film import spoken
from services.jobs.engines.film.drawing import write_film
from services.jobs.engines.film.spoken import RATE
from services.jobs.engines.framing import Colour
from services.jobs.engines.media import open_picture
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, Quote, Tool
from services.jobs.engines.reels import scenes
from services.jobs.engines.reels.captions import Captions, Place
from services.jobs.engines.reels.scenes import SIZE, Scene, Transition
from services.jobs.engines.speech import listening, music, sound
from services.jobs.engines.speech.music import Mood
from services.jobs.engines.speech.performance import Performance, perform
from services.jobs.engines.voiceover.engine import VoiceOptions, described

MAX_PICTURES = 10


class ReelOptions(VoiceOptions):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"music": "bright", "transition": "zoom", "accent": "#ff6b35"}]},
    )

    captions: Literal["middle", "lower", "none"] = "lower"
    accent: Colour = Field("#ffd23b", description="Behind the word that is being said.")
    transition: Transition = "fade"
    music: Literal["calm", "bright", "pulse", "none"] = Field(
        "calm", description="Synthesised by us. A sound among the files is used in its place."
    )


def run(ctx: Context, prompt: str | None, options: ReelOptions) -> Output:
    """Make the film. Raises InvalidInput for what can't be spoken or opened."""
    quote(prompt, options, [given.media for given in ctx.inputs])
    ctx.progress(2, "speaking")
    played = perform(prompt or "", options.pauses, options.manner, RATE)
    ctx.progress(8, "mixing")
    wav = ctx.workdir / "mix.wav"
    sound.write_wav(wav, _mix(ctx, played, options))
    ctx.progress(14, "arranging pictures")
    shown = scenes.scenes_of(_pictures(ctx, prompt or "", played.seconds), played.words, played.seconds, ctx.seed)
    file = write_film(
        ctx.workdir / "reel.mp4",
        _frames(shown, played, options),
        wav,
        size=SIZE,
        rate=RATE,
        count=played.count,
        done=lambda share: ctx.progress(20 + round(share * 78), "filming"),
    )
    ctx.progress(100, "done")
    data = {"kind": "reel", **described(played.words, played.seconds), "scenes": [_told(scene) for scene in shown]}
    return Output([file], data, spoken.counted(played, prompt or "", options))


def _mix(ctx: Context, played: Performance, options: ReelOptions) -> Any:
    sent = [given for given in ctx.inputs if given.media.get("kind") == "audio"]
    if sent:
        return music.under(played.loud, played.words, _opened(sent[0], played.seconds))
    if options.music == "none":
        return sound.levelled(played.loud)
    mood: Mood = options.music
    return music.under(played.loud, played.words, music.bed(mood, played.seconds, ctx.seed))


def _opened(given: InputFile, seconds: float) -> Any:
    return listening.sound_of(given, rate=sound.RATE, layout="stereo", seconds=seconds)


def _pictures(ctx: Context, prompt: str, seconds: float) -> list[Image.Image]:
    sent = [open_picture(given.path) for given in ctx.inputs if given.media.get("kind", "image") == "image"]
    return sent or scenes.generated(prompt, scenes.number_of(seconds, 0), ctx.seed)


def _frames(shown: Sequence[Scene], played: Performance, options: ReelOptions) -> Iterator[Any]:
    moving = scenes.frames(shown, options.transition, played.count)
    if options.captions == "none":
        yield from moving
        return
    place: Place = options.captions
    captions = Captions(played.words, played.seconds, SIZE, place, options.accent)
    for number, frame in enumerate(moving):
        yield captions.onto(frame, number / RATE)


def _told(scene: Scene) -> dict[str, float]:
    return {"start": round(scene.start, 3), "end": round(scene.end, 3)}


def check(prompt: str | None, options: ReelOptions, inputs: int) -> None:
    del inputs
    spoken.refuse_script(prompt or "", options)


def quote(prompt: str | None, options: ReelOptions, media: Sequence[Mapping[str, Any]]) -> Quote:
    check(prompt, options, len(media))
    kinds = [given.get("kind", "image") for given in media]
    if kinds.count("image") > MAX_PICTURES or kinds.count("audio") > 1:
        raise InvalidInput(f"A reel takes {MAX_PICTURES} pictures and one music at most.", field="input_files")
    return spoken.quote(prompt or "", options, work=0.6)


def est_seconds(_options: ReelOptions) -> float:
    return 20.0


TOOL = Tool(
    id="reels",
    family="ai",
    title="Reels",
    description=(
        "A vertical film, 1080 by 1920 at 30 frames, from your script: spoken, with captions that follow each word, "
        "moving pictures and music that makes way for the voice. Send up to ten pictures in their order, and a sound "
        "to use as music; without pictures, art is drawn by rules from your words, not by an image model. The voice is "
        "a small synthetic one."
    ),
    lane="render",
    kind="film",
    options=ReelOptions,
    accepts_inputs=MAX_PICTURES + 1,
    needs_prompt=True,
    units=spoken.units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("image", "audio"),
    needs_extras=True,
    parts=(VOICES, FFMPEG, FILM_READER, VISION),
    quote=quote,
)
