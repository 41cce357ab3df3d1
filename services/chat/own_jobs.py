"""What the assistant says of the asker's own jobs, as jobs told it: nothing made up, and nobody else's."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from services.chat.models import KnownBatch, KnownJob
from shared.database import ReadSession

TOOL = "my_jobs"
SHOWN = 5
RECENT = timedelta(days=14)

_MINE = re.compile(r"\b(my|mine|i|me|our|we)\b", re.IGNORECASE)
_STATE = re.compile(
    r"\b(ready|done|finish\w*|complet\w*|fail\w*|error|wrong|stuck|wait\w*|queue\w*|status|progress|running|render\w*"
    r"|expire\w*|where|when|why|happen\w*|how (long|far)|still|yet|latest|last)\b",
    re.IGNORECASE,
)
# What people call the result of each tool, beside its name.
_CALLED = {
    "subtitles": "caption",
    "images": "image|poster|picture",
    "voiceover": "voice|narration",
    "video-editor": "video|edit",
    "instagram": "post|carousel",
}
_ANY = re.compile(r"\b(job|render|result|batch|order)(s|es)?\b", re.IGNORECASE)
_TOOLS = (
    *("memes", "images", "voiceover", "subtitles", "reels", "avatar", "video-editor", "collage", "instagram"),
    *("resize", "thumbnail", "gif", "audio-mix", "background"),
)
_NAMED = {
    tool: re.compile(rf"\b({tool.removesuffix('s')}|{_CALLED.get(tool, tool)})(s|es)?\b", re.IGNORECASE)
    for tool in _TOOLS
}

# Why a job failed, for people; the code is told as well.
_REASONS = {
    "INPUT_TOO_LARGE": "the file was too large",
    "UNSUPPORTED_MEDIA": "the file was not of a kind that the tool can read",
    "INVALID_INPUT": "the tool could not work with what it was given",
    "OUT_OF_RESOURCES": "it needed more memory or disk than a job may use",
    "TIMEOUT": "it took longer than a job may take",
    "WORKER_LOST": "the machine that worked on it went away, more than once",
    "ENGINE_FAILED": "the tool broke down",
    "PROVIDER_FAILED": "the service that does the work failed",
    "PROVIDER_REFUSED": "the service that does the work refused it",
    "PROVIDER_UNCERTAIN": "the service that does the work did not say whether it began",
}


def tools_asked_about(question: str) -> frozenset[str] | None:
    """The tools of whose jobs the question is: none named means all; None when it is not about one's own jobs."""
    named = frozenset(tool for tool, pattern in _NAMED.items() if pattern.search(question))
    if not (_MINE.search(question) and _STATE.search(question) and (named or _ANY.search(question))):
        return None
    return frozenset() if _ANY.search(question) and not named else named


async def list_recent(
    session: ReadSession, user_id: UUID, tools: frozenset[str], now: datetime
) -> tuple[Sequence[KnownJob], KnownBatch | None]:
    """The user's latest jobs by these tools, newest first, and their latest batch when no tool is named."""
    jobs = select(KnownJob).where(KnownJob.user_id == user_id, KnownJob.updated_at > now - RECENT)
    if tools:
        jobs = jobs.where(KnownJob.tool.in_(tools))
    found = (await session.scalars(jobs.order_by(KnownJob.ordered_at.desc()).limit(SHOWN))).all()
    batch = select(KnownBatch).where(KnownBatch.user_id == user_id, KnownBatch.completed_at > now - RECENT)
    latest = batch.order_by(KnownBatch.completed_at.desc()).limit(1)
    return found, None if tools else await session.scalar(latest)


def tell(jobs: Sequence[KnownJob], batch: KnownBatch | None) -> str:
    """A sentence for each job; empty when there is nothing to tell."""
    lines = [f"- {job.tool}, ordered {_moment(job.ordered_at)}: {_state(job)}" for job in jobs]
    if batch:
        counts = ", ".join(f"{count} {status.lower()}" for status, count in sorted(batch.counts.items()))
        lines.append(f"- your batch that ended {_moment(batch.completed_at)}: {counts}.")
    return "\n".join(["This is how your latest jobs stand:", *lines]) if lines else ""


def _state(job: KnownJob) -> str:
    if job.status == "PENDING":
        return f"waiting; the next try is due {_moment(job.run_at)}." if job.run_at else "waiting for its turn."
    if job.status == "PROCESSING":
        return "being made right now."
    if job.status == "COMPLETED":
        return _result(job)
    if job.status == "FAILED":
        reason = _REASONS.get(job.error_code or "", "something went wrong")
        return f"it failed, since {reason} ({job.error_code}). It costs you nothing, and you can run it again."
    return "cancelled."


def _result(job: KnownJob) -> str:
    if job.is_expired:
        return "it was ready, but its files have been removed since, as your plan keeps them for a limited time."
    return f"ready; its files are kept until {_moment(job.expires_at)}." if job.expires_at else "ready."


def _moment(at: datetime) -> str:
    return f"{at:%-d %B at %H:%M} UTC"
