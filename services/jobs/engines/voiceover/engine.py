"""The voiceover engine: a text becomes speech of an even loudness, with the time of every word."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import ceil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.jobs.engines.extras import FFMPEG, VOICES
from services.jobs.engines.protocol import Context, InvalidInput, Output, OutputFile, Quote, Tool
from services.jobs.engines.speech import script, sound, voices
from services.jobs.engines.speech.encoding import write_mp3
from services.jobs.engines.speech.script import Pauses
from services.jobs.engines.speech.voices import Language, Manner, Speech, Word

# Letters a second of the slowest voice at its own speed, measured with some to spare.
SLOWEST = 12.0
# A digit, a sign or a capital may be read out as a word of its own: "1999", "WWW", "&".
LETTERS_READ_OUT = 8
# Around the shortest sentences.
SENTENCE_SECONDS = 0.6
MAX_SECONDS = 600


class VoiceOptions(BaseModel):
    """How somebody speaks; the same for every tool that speaks."""

    model_config = ConfigDict(extra="forbid")

    language: Language = Field("en-US", description="Each language has one voice.")
    speed: float = Field(1.0, ge=0.5, le=2, description="A factor of the voice's own speed.")
    pitch: float = Field(1.0, ge=0.7, le=1.4, description="A factor of the voice's own pitch.")
    sentence_pause: float = Field(0.35, ge=0, le=3, description="Seconds of silence behind a sentence.")
    paragraph_pause: float = Field(0.8, ge=0, le=5, description="Seconds of silence behind a paragraph.")

    @property
    def manner(self) -> Manner:
        return Manner(self.language, self.speed, self.pitch)

    @property
    def pauses(self) -> Pauses:
        return Pauses(self.sentence_pause, self.paragraph_pause)


class VoiceoverOptions(VoiceOptions):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"language": "en-GB", "speed": 0.95, "format": "wav"}]},
    )

    loudness: float = Field(sound.LOUDNESS, ge=-30, le=-12, description="LUFS, integrated over the whole.")
    format: Literal["mp3", "wav"] = "mp3"


def run(ctx: Context, prompt: str | None, options: VoiceoverOptions) -> Output:
    """Speak the prompt. Raises InvalidInput for what a voice can't say."""
    check(prompt, options, len(ctx.inputs))
    ctx.progress(2, "reading")
    said = script.sentences(prompt or "", options.pauses)
    speech = voices.speak(said, options.manner, lambda share: ctx.progress(5 + round(share * 75), "speaking"))
    ctx.progress(82, "levelling")
    samples = sound.levelled(sound.resampled(speech.samples, voices.RATE), options.loudness)
    ctx.progress(92, "writing")
    file = _written(ctx.workdir, samples, options.format)
    ctx.progress(100, "done")
    data = {
        "kind": "speech",
        "language": options.language,
        "voice": "SVOX Pico, a small synthetic voice",
        "loudness_lufs": round(sound.loudness(samples), 2),
        **described(speech.words, speech.seconds),
    }
    return Output([file], data, {"ai_generations": 1, "voiceover_seconds": used(speech, prompt or "", options)})


def described(words: Sequence[Word], seconds: float) -> dict[str, Any]:
    """What a job's result says of its speech: where the times come from, and each word with its seconds."""
    return {
        "duration": round(seconds, 3),
        "timings": {
            "source": "synthesis",
            "precision_seconds": 0.05,
            "words": [asdict(word) for word in words],
        },
    }


def used(speech: Speech, prompt: str, options: VoiceOptions) -> int:
    """The units of `voiceover_seconds`: a second begun is a second, and none is counted that was not held."""
    return min(ceil(speech.seconds), most_seconds(prompt, options))


def _written(folder: Path, samples: Any, form: str) -> OutputFile:
    wav = folder / "voiceover.wav"
    sound.write_wav(wav, samples)
    seconds = round(len(samples) / sound.RATE, 3)
    if form == "wav":
        return OutputFile(wav, wav.name, "audio", "audio/wav", duration=seconds)
    mp3 = wav.with_suffix(".mp3")
    write_mp3(wav, mp3)
    return OutputFile(mp3, mp3.name, "audio", "audio/mpeg", duration=seconds)


def check(prompt: str | None, options: VoiceOptions, inputs: int) -> None:
    """Refuse before a job is made what `run` would refuse."""
    if inputs:
        raise InvalidInput("A voiceover takes no files: send the text as the prompt.", field="input_files")
    script.refuse_unsayable(prompt or "")
    if most_seconds(prompt or "", options) > MAX_SECONDS:
        raise InvalidInput(f"This would be longer than {MAX_SECONDS // 60} minutes.", "INPUT_TOO_LARGE")


def most_seconds(prompt: str, options: VoiceOptions) -> int:
    """The most that the text can take when it is spoken, with its pauses."""
    said = script.sentences(prompt, options.pauses)
    words = [word for sentence in said for word in sentence.words]
    letters = sum(1 if letter.islower() else LETTERS_READ_OUT for word in words for letter in word)
    spoken = letters / SLOWEST + SENTENCE_SECONDS * len(said)
    return ceil(spoken / options.speed + sum(sentence.pause for sentence in said))


def quote(prompt: str | None, options: VoiceoverOptions, _media: Sequence[Mapping[str, Any]]) -> Quote:
    most = most_seconds(prompt or "", options)
    return Quote({"ai_generations": 1, "voiceover_seconds": most}, 0.3 + most * 0.06)


def units(_options: VoiceoverOptions) -> dict[str, int]:
    """For a text of half a minute."""
    return {"ai_generations": 1, "voiceover_seconds": 30}


def est_seconds(_options: VoiceoverOptions) -> float:
    return 2.0


TOOL = Tool(
    id="voiceover",
    family="ai",
    title="Voiceover",
    description=(
        "Your text as speech in English (US, GB), German, Spanish, French or Italian, at an even loudness, with the "
        "time of every word in `result.data.timings`. Blank lines part paragraphs; [pause 1.5] is a silence of that "
        "many seconds. The voices are small synthetic ones: clear, and not to be taken for a person. Seconds are held "
        "for the longest that the text could take, and counted as spoken."
    ),
    lane="interactive",
    kind="speech",
    options=VoiceoverOptions,
    accepts_inputs=0,
    needs_prompt=True,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    needs_extras=True,
    parts=(VOICES, FFMPEG),
    quote=quote,
)
