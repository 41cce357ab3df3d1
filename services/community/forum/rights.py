"""Who may do what with a post."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.community.errors import EditedMeanwhile, ModeratorsOnly, NotYours, SelfReport, SelfVote, Silenced
from services.community.forum.models import DELETED, REMOVED, Post

MODERATING = frozenset({"moderator", "admin"})


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user; `moderates` when one of their roles does, `pays` when they have a paid plan."""

    user_id: UUID
    moderates: bool
    pays: bool = False
    silenced_until: datetime | None = None


def check_may_speak(actor: Actor, now: datetime) -> None:
    """New words and changed ones are words. Raises Silenced."""
    if actor.silenced_until is not None and actor.silenced_until > now:
        raise Silenced(f"You can write again after {actor.silenced_until:%Y-%m-%d %H:%M} UTC.")


def check_may_edit(actor: Actor, post: Post, revision: int) -> None:
    """Only authors edit, and only what they have read. Raises NotYours, EditedMeanwhile."""
    if post.user_id != actor.user_id:
        raise NotYours
    if post.revision != revision:
        raise EditedMeanwhile


def status_after_removal(actor: Actor, post: Post) -> str:
    """Authors delete, moderators remove. Raises NotYours for everybody else."""
    if post.user_id == actor.user_id:
        return DELETED
    if not actor.moderates:
        raise NotYours
    return REMOVED


def check_may_restore(actor: Actor, post: Post) -> None:
    """Authors take back what they deleted themselves; moderators restore anything. Raises NotYours.

    What is there needs no restoring, but only those who could may ask for it.
    """
    is_theirs = post.status != REMOVED and post.user_id == actor.user_id
    if not (actor.moderates or is_theirs):
        raise NotYours


def check_moderates(actor: Actor) -> None:
    if not actor.moderates:
        raise ModeratorsOnly


def check_may_vote(actor: Actor, post: Post) -> None:
    if post.user_id == actor.user_id:
        raise SelfVote


def check_may_report(actor: Actor, post: Post) -> None:
    if post.user_id == actor.user_id:
        raise SelfReport
