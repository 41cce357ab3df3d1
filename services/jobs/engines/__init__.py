"""The local engines: real work with no key and no network, in pure synchronous code.

The runner calls `warm()` once in the parent before it forks, looks a tool up in `TOOLS`, validates the job's options
with `tool.options`, and calls `tool.run(ctx, prompt, options)` in a child. A run reports through `ctx.progress`,
writes only below `ctx.workdir`, and ends with an `Output` or with `InvalidInput`, which is final: retrying can't help.
Types are in `protocol`.
"""

from services.jobs.engines import emoji, fonts
from services.jobs.engines.audio_mix import engine as audio_mix
from services.jobs.engines.avatar import engine as avatar
from services.jobs.engines.background import engine as background
from services.jobs.engines.collage import engine as collage
from services.jobs.engines.gif import engine as gif
from services.jobs.engines.images import engine as images
from services.jobs.engines.instagram import engine as instagram
from services.jobs.engines.memes import engine as memes
from services.jobs.engines.memes import templates
from services.jobs.engines.protocol import Context, InputFile, InvalidInput, Output, OutputFile, Tool
from services.jobs.engines.reels import engine as reels
from services.jobs.engines.resize import engine as resize
from services.jobs.engines.subtitles import engine as subtitles
from services.jobs.engines.thumbnail import engine as thumbnail
from services.jobs.engines.video_editor import engine as video_editor
from services.jobs.engines.voiceover import engine as voiceover

__all__ = ["TOOLS", "Context", "InputFile", "InvalidInput", "Output", "OutputFile", "Tool", "warm"]

TOOLS: dict[str, Tool] = {
    tool.id: tool
    for tool in (
        memes.TOOL,
        images.TOOL,
        reels.TOOL,
        avatar.TOOL,
        voiceover.TOOL,
        subtitles.TOOL,
        video_editor.TOOL,
        resize.TOOL,
        collage.TOOL,
        instagram.TOOL,
        thumbnail.TOOL,
        gif.TOOL,
        audio_mix.TOOL,
        background.TOOL,
    )
}


def warm() -> None:
    """Load fonts, emoji names and templates now (about a second), so that forked children share the memory."""
    fonts.warm()
    emoji.warm()
    templates.warm()
