"""Engines that misbehave on purpose, for tests only."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from services.jobs.engines import extras
from services.jobs.engines.protocol import InvalidInput, Output, OutputFile, Retryable, Tool


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: float = 0.05
    times: int = 1
    note: str = ""


def _made(ctx, text="done"):
    path = ctx.workdir / "made.txt"
    path.write_text(text)
    return Output([OutputFile(path, "made.txt", "text", "text/plain")], {"text": text}, {"ai_generations": 1})


def sleep(ctx, prompt, options):
    began = time.monotonic()
    while (slept := time.monotonic() - began) < options.seconds:
        ctx.progress(int(slept / options.seconds * 100), f"slept {slept:.1f} s")
        time.sleep(min(0.1, options.seconds))
    return _made(ctx)


def crash(ctx, prompt, options):
    os._exit(9)


def fail(ctx, prompt, options):
    raise RuntimeError("an engine's bug")


def flaky(ctx, prompt, options):
    """Fails until the file named by the note has `times` lines."""
    note = Path(options.note)
    seen = len(note.read_text().splitlines()) if note.exists() else 0
    with note.open("a") as lines:
        lines.write(f"{os.getpid()}\n")
    if seen < options.times:
        raise Retryable("PROVIDER_UNAVAILABLE", "Try later.", 0.05)
    return _made(ctx)


def stall(ctx, prompt, options):
    ctx.progress(10, "stuck")
    time.sleep(600)


def grandchild(ctx, prompt, options):
    """Starts a long program of its own, as an engine starts ffmpeg, that ignores polite requests."""
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    started = subprocess.Popen([sys.executable, "-c", code])
    ctx.progress(20, "rendering")
    Path(options.note).write_text(f"{os.getpid()} {started.pid}")
    if options.seconds < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    started.wait()


def render(ctx, prompt, options):
    """A film of an hour by the engines' own ffmpeg, growing in the work folder while it is made."""
    extras.join()
    import imageio_ffmpeg  # noqa: PLC0415 - of the engines' own packages

    source = ("-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=3600", "-c:v", "mpeg4", "-threads", "1")
    film = ctx.workdir / "film.mkv"
    started = subprocess.Popen([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-re", *source, str(film)])
    ctx.progress(20, "rendering")
    Path(options.note).write_text(f"{os.getpid()} {started.pid}")
    started.wait()


def refuse(ctx, prompt, options):
    raise InvalidInput("No such thing can be made.")


def mischief(ctx, prompt, options):
    """Points at a file outside of its folder."""
    link = ctx.workdir / "link.txt"
    link.symlink_to("/etc/hostname")
    return Output([OutputFile(link, "link.txt", "text", "text/plain")], {}, {})


def _tool(name, run, lane="interactive"):
    return Tool(
        id=name,
        family="ai",
        title=name,
        description="",
        lane=lane,
        kind="test",
        options=Options,
        accepts_inputs=1,
        needs_prompt=False,
        units=lambda _options: {"ai_generations": 1},
        est_seconds=lambda _options: 1.0,
        check=lambda _prompt, _options, _inputs: None,
        run=run,
    )


RUNS = (sleep, crash, fail, flaky, stall, grandchild, render, refuse, mischief)
TOOLS = {run.__name__: _tool(run.__name__, run) for run in RUNS}
TOOLS["slow-sleep"] = _tool("slow-sleep", sleep, "render")
