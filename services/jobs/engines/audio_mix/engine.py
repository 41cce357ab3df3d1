"""The mixing engine: sounds, and the sound of films, each at its time and level, become one of an even loudness."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, isfinite
from pathlib import Path
from typing import Any

from services.jobs.engines import ffmpeg
from services.jobs.engines.audio_mix import ducking, levels
from services.jobs.engines.audio_mix.levels import Level
from services.jobs.engines.audio_mix.options import MAX_TRACKS, Form, MixOptions, check
from services.jobs.engines.audio_mix.timeline import Placed, Timeline, timeline
from services.jobs.engines.extras import FFMPEG, FILM_READER
from services.jobs.engines.protocol import Context, Output, OutputFile, Quote, Tool
from services.jobs.engines.speech.listening import sound_of
from services.jobs.engines.speech.sound import RATE

# What is enough to hear when somebody speaks.
_VOICE_RATE = 8000
_ENCODINGS: dict[Form, tuple[tuple[str, ...], str]] = {
    "mp3": (("-c:a", "libmp3lame", "-q:a", "2", "-f", "mp3"), "audio/mpeg"),
    "m4a": ((*ffmpeg.AAC, "-movflags", "+faststart", "-f", "ipod"), "audio/mp4"),
    "wav": (("-c:a", "pcm_s16le", "-f", "wav"), "audio/wav"),
}

Spans = list[tuple[float, float]]


def run(ctx: Context, prompt: str | None, options: MixOptions) -> Output:
    """Mix. Raises InvalidInput for times outside of the files and for files that are damaged."""
    check(prompt, options, len(ctx.inputs))
    plan = timeline([given.media for given in ctx.inputs], options)
    ctx.progress(2, "listening for voices")
    ways = _ways_made(ctx, plan)
    mix, level = _mixed(ctx, plan, ways)
    ctx.progress(60, "levelling")
    mix, level = levels.brought_to(
        options.loudness, mix, level, lambda share: ctx.progress(60 + round(share * 25), "levelling")
    )
    ctx.progress(85, "writing")
    file = _encoded(ctx.workdir, mix, options.format, plan.seconds)
    ctx.progress(100, "done")
    return Output([file], _told(plan, ways, level), units(options))


def _ways_made(ctx: Context, plan: Timeline) -> dict[int, Spans]:
    """For the number of each track that makes way: when it has to."""
    voices = {one.track.name: one for one in plan.placed}
    heard: dict[str, Spans] = {}
    for one in plan.placed:
        name = one.track.duck_under
        if name is not None and name not in heard:
            heard[name] = _heard(ctx, voices[name])
    return {one.number: heard[one.track.duck_under] for one in plan.placed if one.track.duck_under is not None}


def _heard(ctx: Context, voice: Placed) -> Spans:
    track = voice.track
    end = track.trim_start + voice.piece
    samples = sound_of(ctx.inputs[track.input], rate=_VOICE_RATE, seconds=end)
    part = samples[round(track.trim_start * _VOICE_RATE) : round(end * _VOICE_RATE)]
    return ducking.placed(ducking.spans(part, _VOICE_RATE), track.start, voice.piece, voice.plays)


def _mixed(ctx: Context, plan: Timeline, ways: Mapping[int, Spans]) -> tuple[Path, Level]:
    """All tracks added up in full precision, which has no highest level, and how loud that is."""
    path = ctx.workdir / "mix.wav"
    sources: list[str] = []
    for one in plan.placed:
        given = ctx.inputs[one.track.input]
        sources += ffmpeg.source(given.path, given.media["demuxer"])
    for number, spans in ways.items():
        levels_of = ctx.workdir / f"levels-{number}.wav"
        ducking.write_levels(levels_of, spans, plan.placed[number].track.duck_db, plan.seconds)
        sources += ffmpeg.source(levels_of, "wav")
    graph = ";".join([*_chains(plan, list(ways)), _sum(plan, ctx.workdir)])
    ffmpeg.run(
        [*sources, "-filter_complex", graph, "-map", "[mix]", "-c:a", "pcm_f32le", "-f", "wav", str(path)],
        ctx.workdir,
        seconds=plan.seconds,
        done=lambda share: ctx.progress(10 + round(share * 48), "mixing"),
    )
    return path, levels.measured(ctx.workdir)


def _chains(plan: Timeline, ducked: Sequence[int]) -> Iterator[str]:
    """A chain of filters for each track: numbers of ours only, nothing that a user wrote is in a filter."""
    for one in plan.placed:
        if one.number not in ducked:
            yield f"[{one.number}:a:0]{_track(one)}[track{one.number}]"
            continue
        place = len(plan.placed) + ducked.index(one.number)
        yield f"[{one.number}:a:0]{_track(one)}[loud{one.number}]"
        yield f"[{place}:a:0]aresample={RATE},aformat=sample_fmts=fltp:channel_layouts=stereo[levels{one.number}]"
        yield f"[loud{one.number}][levels{one.number}]amultiply[track{one.number}]"


def _track(one: Placed) -> str:
    """Cut, repeated, faded and moved to its time. Gaps in the file's own times are filled, so that nothing shifts."""
    track = one.track
    chain = [f"aresample={RATE}:async=1:first_pts=0", "aformat=sample_fmts=fltp:channel_layouts=stereo"]
    chain += [f"atrim=start={track.trim_start:.4f}:duration={one.piece:.4f}", "asetpts=PTS-STARTPTS"]
    if track.loop:
        chain += [f"aloop=loop=-1:size={ceil(one.piece * RATE)}"]
    chain += [f"atrim=duration={one.plays:.4f}", f"volume={track.gain_db:.3f}dB"]
    if track.fade_in:
        chain += [f"afade=t=in:d={track.fade_in:.4f}"]
    if track.fade_out:
        chain += [f"afade=t=out:st={one.plays - track.fade_out:.4f}:d={track.fade_out:.4f}"]
    return ",".join([*chain, f"adelay=delays={round(track.start * RATE)}S:all=1"])


def _sum(plan: Timeline, folder: Path) -> str:
    tracks = "".join(f"[track{one.number}]" for one in plan.placed)
    length = f"apad=whole_dur={plan.seconds:.4f},atrim=duration={plan.seconds:.4f}"
    return (
        f"{tracks}amix=inputs={len(plan.placed)}:normalize=0:duration=longest,{length},{levels.measuring(folder)}[mix]"
    )


def _encoded(folder: Path, mix: Path, form: Form, seconds: float) -> OutputFile:
    encoding, content_type = _ENCODINGS[form]
    path = folder / f"mixed.{form}"
    ffmpeg.run([*ffmpeg.source(mix, "wav"), *encoding, str(path)], folder)
    return OutputFile(path, path.name, "audio", content_type, duration=round(seconds, 3))


def _told(plan: Timeline, ways: Mapping[int, Spans], level: Level) -> dict[str, Any]:
    return {
        "kind": "mix",
        "duration": round(plan.seconds, 3),
        "loudness_lufs": None if level.is_silent else round(level.loudness, 2),
        "true_peak_db": round(level.peak, 2) if isfinite(level.peak) else None,
        "tracks": [
            {
                "name": one.track.name,
                "input": one.track.input,
                "start": round(one.track.start, 3),
                "end": round(one.end, 3),
                "ducked": [[round(start, 2), round(end, 2)] for start, end in ways.get(one.number, [])],
            }
            for one in plan.placed
        ],
    }


def units(_options: MixOptions) -> dict[str, int]:
    return {"studio_jobs": 1}


def est_seconds(_options: MixOptions) -> float:
    """For two tracks of a minute."""
    return 4.0


def quote(_prompt: str | None, options: MixOptions, media: Sequence[Mapping[str, Any]]) -> Quote:
    """Refuses what `run` would, now that it is known how long the files are."""
    plan = timeline(media, options)
    return Quote(units(options), 1 + plan.seconds * (0.03 + 0.01 * len(plan.placed)))


TOOL = Tool(
    id="audio-mix",
    family="studio",
    title="Audio mix",
    description=(
        "Up to eight sounds, or the sound of films, in one: each with its start, trim, gain, fades and loop, making "
        "way for a voice where asked, and the whole at an even loudness with its true peaks under -1.5 dB."
    ),
    lane="interactive",
    kind="edit",
    options=MixOptions,
    accepts_inputs=MAX_TRACKS,
    needs_prompt=False,
    units=units,
    est_seconds=est_seconds,
    check=check,
    run=run,
    input_kinds=("audio", "video"),
    needs_extras=True,
    parts=(FILM_READER, FFMPEG),
    quote=quote,
)
