"""The subtitles engine: words are recognised, or a script is timed, and become cues; burned in when asked."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines import ffmpeg, fonts
from services.jobs.engines.extras import FFMPEG, FILM_READER, RECOGNISER, VOICES
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, OutputFile, Quote, Tool
from services.jobs.engines.speech import listening, script
from services.jobs.engines.speech.voices import Language, Word
from services.jobs.engines.subtitles import formats
from services.jobs.engines.subtitles.cues import Cue, Rules, cues_of
from services.jobs.engines.subtitles.formats import Position, StyleName

Form = Literal["srt", "vtt", "ass"]
CONTENT_TYPES: dict[Form, str] = {"srt": "application/x-subrip", "vtt": "text/vtt", "ass": "text/x-ssa"}
MAX_BURNED_SECONDS = 300
# Of a recording whose script is in a language that is not recognised: it is compared as a whole.
MAX_COMPARED_SECONDS = 300
# What is said in ten minutes; longer prompts are not taken at all.
MAX_SCRIPT = 10_000
SOUND_SIZE = (1920, 1080)


class SubtitleOptions(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"burn_in": True, "style": "karaoke"}, {"formats": ["vtt"], "line": 32}]},
    )

    language: Language = Field(
        "en-US",
        description="English is recognised; other languages need what is said as the prompt, which is trusted.",
    )
    formats: list[Form] = Field(["srt", "vtt"], min_length=1, max_length=3)
    burn_in: bool = Field(False, description="Make a film with the captions in its picture as well.")
    style: StyleName = "classic"
    position: Position = "bottom"
    line: int | None = Field(None, ge=12, le=60, description="Letters in a line; null: 42, or 24 in an upright film.")
    lines: int = Field(2, ge=1, le=3)
    letters_a_second: float = Field(17, ge=10, le=30, description="How fast viewers read: cues stay as long as that.")

    def rules(self, size: tuple[int, int]) -> Rules:
        """For a film of this size."""
        width, height = size
        return Rules(self.line or (42 if width >= height else 24), self.lines, self.letters_a_second)


def run(ctx: Context, prompt: str | None, options: SubtitleOptions) -> Output:
    """Caption the file. Raises InvalidInput where nobody speaks or the script is of something else."""
    check(prompt, options, len(ctx.inputs))
    given = ctx.inputs[0]
    quote(prompt, options, [given.media])
    ctx.progress(2, "listening")
    samples = listening.sound_of(given)
    words, source = _words(ctx, prompt, options, samples)
    size = (given.media.get("width", SOUND_SIZE[0]), given.media.get("height", SOUND_SIZE[1]))
    cues = cues_of(_in_order(words), options.rules(size), float(given.media["duration"]))
    files = [_written(ctx.workdir, cues, form, options, size) for form in dict.fromkeys(options.formats)]
    if options.burn_in:
        files.insert(0, _burned(ctx, given, cues, options, size))
    ctx.progress(100, "done")
    data = {
        "kind": "captions",
        "language": options.language,
        "timings": {"source": source, "words": [asdict(word) for word in words]},
        "cues": [{"start": cue.start, "end": cue.end, "text": cue.text} for cue in cues],
    }
    return Output(files, data, _units(options, float(given.media["duration"])))


def _words(ctx: Context, prompt: str | None, options: SubtitleOptions, samples: Any) -> tuple[list[Word], str]:
    """The words and where they come from: `recognition`, `script` found again in it, or `comparison` with our voice."""

    def heard(share: float) -> None:
        ctx.progress(5 + round(share * (40 if options.burn_in else 80)), "listening")

    if not options.language.startswith("en"):
        return listening.compared(prompt or "", samples, options.language, heard), "comparison"
    found = listening.recognise(samples, heard)
    if prompt and prompt.strip():
        return listening.refined(listening.matched(prompt, found), samples), "script"
    return listening.refined(found, samples), "recognition"


def _in_order(words: Sequence[Word]) -> list[Word]:
    """Times that never go back, whatever was heard."""
    done: list[Word] = []
    for word in words:
        start = max(word.start, done[-1].end if done else 0.0)
        done.append(Word(word.text, start, max(start, word.end), word.sentence))
    return done


def _written(
    folder: Path, cues: Sequence[Cue], form: Form, options: SubtitleOptions, size: tuple[int, int]
) -> OutputFile:
    path = folder / f"captions.{form}"
    text = _ass(cues, options, size) if form == "ass" else {"srt": formats.srt, "vtt": formats.vtt}[form](cues)
    path.write_text(text, encoding="utf-8")
    return OutputFile(path, path.name, "captions", CONTENT_TYPES[form])


def _ass(cues: Sequence[Cue], options: SubtitleOptions, size: tuple[int, int]) -> str:
    return formats.ass(cues, options.style, options.position, size, options.rules(size).line)


def _burned(
    ctx: Context, given: InputFile, cues: Sequence[Cue], options: SubtitleOptions, size: tuple[int, int]
) -> OutputFile:
    """The film with its captions; libass reads them from a file of ours and finds its fonts in a folder of ours."""
    faces = ctx.workdir / "fonts"
    faces.mkdir()
    for name in ("sans", "anton"):
        shutil.copy(fonts.face(name).path, faces / f"{name}.ttf")
    (ctx.workdir / "burned.ass").write_text(_ass(cues, options, size), encoding="utf-8")
    seconds = float(given.media["duration"])
    path = ctx.workdir / "captioned.mp4"
    chain = "ass=filename=burned.ass:fontsdir=fonts,scale=trunc(iw/2)*2:trunc(ih/2)*2"
    arguments = [*ffmpeg.source(given.path, given.media["demuxer"]), "-map", "0:v:0", "-map", "0:a:0", "-vf", chain]
    ffmpeg.run(
        [*arguments, *ffmpeg.H264, *ffmpeg.AAC, "-f", "mp4", str(path)],
        ctx.workdir,
        seconds=seconds,
        done=lambda share: ctx.progress(50 + round(share * 48), "burning in"),
    )
    width, height = (side // 2 * 2 for side in size)
    return OutputFile(path, path.name, "video", "video/mp4", width, height, seconds)


def check(prompt: str | None, options: SubtitleOptions, inputs: int) -> None:
    if inputs != 1:
        raise InvalidInput("Send one film or one sound.", field="input_files")
    if prompt and prompt.strip():
        script.refuse_unsayable(prompt, MAX_SCRIPT)
    elif not options.language.startswith("en"):
        raise InvalidInput("Only English is recognised: send what is said as the prompt, and it is timed.")


def quote(_prompt: str | None, options: SubtitleOptions, media: Sequence[Mapping[str, Any]]) -> Quote:
    """Raises InvalidInput for what has nothing to hear or to burn into, and for what is too long for that."""
    [given] = media
    seconds = float(given["duration"])
    if given["kind"] == "video" and not given["has_sound"]:
        raise InvalidInput("The film has no sound.", field="input_files")
    if options.burn_in and given["kind"] != "video":
        raise InvalidInput("Captions can be burned into films only.", field="options.burn_in")
    if options.burn_in and seconds > MAX_BURNED_SECONDS:
        raise InvalidInput(f"Films up to {MAX_BURNED_SECONDS // 60} minutes are burned.", field="options.burn_in")
    if not options.language.startswith("en") and seconds > MAX_COMPARED_SECONDS:
        raise InvalidInput(f"Scripts are timed for up to {MAX_COMPARED_SECONDS // 60} minutes.", field="input_files")
    return Quote(_units(options, seconds), 2 + seconds * (0.5 if options.burn_in else 0.12))


def _units(options: SubtitleOptions, seconds: float) -> dict[str, int]:
    return {"ai_generations": 1, "export_seconds": ceil(seconds) if options.burn_in else 0}


def units(options: SubtitleOptions) -> dict[str, int]:
    """For a film of half a minute."""
    return _units(options, 30)


def est_seconds(options: SubtitleOptions) -> float:
    return 15.0 if options.burn_in else 5.0


TOOL = Tool(
    id="subtitles",
    family="ai",
    title="Subtitles",
    description=(
        "Captions for a film or a sound as SRT, WebVTT and ASS, and burned into the picture when asked, in four "
        "styles. English is recognised by a small model (Whisper tiny), which mishears now and then; send what is said "
        "as the prompt and your own words are timed instead, in six languages. Cues can be read, and none overlap."
    ),
    lane="render",
    kind="captions",
    options=SubtitleOptions,
    accepts_inputs=1,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("audio", "video"),
    needs_extras=True,
    parts=(FILM_READER, FFMPEG, VOICES, RECOGNISER),
    quote=quote,
)
