"""HTTP bodies of the forum."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.community.forum.usecases.comments import COMMENT_LENGTH
from services.community.forum.usecases.reports import Decision
from services.community.forum.usecases.topics import TOPIC_LENGTH
from services.community.requests import Clean

Kind = Literal["discussion", "question"]
Sort = Literal["hot", "new", "active", "top"]
Window = Literal["day", "week", "month", "all"]
ReportState = Literal["open", "upheld", "dismissed"]
CommentSort = Literal["tree", "new", "top"]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Clean]
TopicText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TOPIC_LENGTH), Clean]
CommentText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=COMMENT_LENGTH), Clean]
CategorySlug = Annotated[str, StringConstraints(min_length=1, max_length=100), Clean]
Tag = Annotated[
    str,
    StringConstraints(strip_whitespace=True, to_lower=True, pattern=r"^[\w][\w+#.-]*$", min_length=1, max_length=40),
]


def _once_each(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Tags = Annotated[list[Tag], Field(max_length=5), AfterValidator(_once_each)]


# Postgres counts revisions in 32 bits.
RevisionNumber = Annotated[int, Path(ge=1, lt=2**31)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TopicCreate(Body):
    title: Title
    content: TopicText
    category: CategorySlug = "general"
    tags: Tags = []
    kind: Kind = "discussion"


class TopicPatch(Body):
    """Only the fields that are sent change; none may be null."""

    title: Title | None = None
    content: TopicText | None = None
    category: CategorySlug | None = None
    tags: Tags | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, body: Any) -> Any:
        if isinstance(body, dict) and (nulls := sorted(str(name) for name, value in body.items() if value is None)):
            raise ValueError(f"{', '.join(nulls)} can't be null")
        return body


class CommentCreate(Body):
    content: CommentText
    parent_id: UUID | None = None


class CommentPatch(Body):
    content: CommentText


class Acceptance(Body):
    comment_id: UUID


class CategoryBody(Body):
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Clean]
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Clean] = ""
    # Postgres counts positions in 32 bits.
    position: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0


class Move(Body):
    category: CategorySlug


class Preview(Body):
    content: TopicText


class PreviewRead(BaseModel):
    content_html: str
    mentions: list[str]


class SubscriptionBody(Body):
    level: Literal["watching", "muted"] = "watching"


class ReportBody(Body):
    reason: Literal["spam", "abuse", "off_topic", "illegal", "other"]
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), Clean] | None = None


class Resolution(Body):
    """`remove` takes the post away; `dismiss` leaves it. Both close every open report on it."""

    decision: Decision


class Author(BaseModel):
    """Null names belong to a user we have not heard of yet, or whose words were removed."""

    model_config = ConfigDict(from_attributes=True)

    handle: str | None = None
    display_name: str | None = None
    is_staff: bool = False


class ForumCategoryRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    slug: str
    name: str
    description: str
    position: int


class ForumCategoryList(BaseModel):
    items: list[ForumCategoryRead]
    next_cursor: None = None


class TopicFacts(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    slug: str
    user_id: UUID
    title: str
    content: str
    content_html: str
    category: str
    tags: list[str]
    kind: Kind
    status: str
    views: int
    score: int
    comment_count: int
    accepted_comment_id: UUID | None
    locked: bool
    pinned: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    edited_at: datetime | None


class TopicRead(TopicFacts):
    """`revision` is the ETag; `voted` tells whether the caller has voted."""

    author: Author
    voted: bool = False


class CommentRead(BaseModel):
    """A removed comment keeps its place in the tree and nothing else."""

    id: UUID
    topic_id: UUID
    parent_id: UUID | None
    user_id: UUID | None
    author: Author
    content: str
    content_html: str
    status: str
    score: int
    depth: int
    revision: int
    voted: bool = False
    created_at: datetime
    edited_at: datetime | None


class VoteRead(BaseModel):
    score: int
    voted: bool


class RevisionRead(BaseModel):
    """What a post said in one revision, as source. Comments have no title."""

    model_config = ConfigDict(from_attributes=True)

    revision: int
    title: str | None
    content: str
    written_at: datetime


class DiffRead(BaseModel):
    """`compared_to` is null for the first revision, which is all new."""

    revision: int
    compared_to: int | None
    diff: str


StepReason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Clean] | None


class Silence(Body):
    """For how many hours, a year at most; 0 lets the user speak again."""

    hours: Annotated[int, Field(ge=0, le=366 * 24, strict=True)] = 24
    reason: StepReason = None


class Ban(Body):
    """`banned: false` lets the user back in."""

    banned: bool = True
    reason: StepReason = None


class StandingRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    silenced_until: datetime | None
    banned_at: datetime | None


class TagRead(BaseModel):
    """`topics` counts those of the newest ten thousand that have the tag."""

    model_config = ConfigDict(from_attributes=True)

    tag: str
    topics: int


class TagList(BaseModel):
    items: list[TagRead]
    next_cursor: None = None


class LogEntry(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    actor_id: UUID
    action: str
    topic_id: UUID | None
    comment_id: UUID | None
    author_id: UUID
    reason: str | None
    created_at: datetime


class SubscriptionRead(BaseModel):
    """`level` is null while the caller has nothing to do with the topic."""

    level: Literal["watching", "muted"] | None


class NotificationRead(BaseModel):
    """`mention`: named in the post; `reply`: one's comment was answered; `comment`: a watched topic went on;
    `accepted`: one's answer was accepted; `removed`: a moderator took one's topic down, and `reason` says why."""

    id: UUID
    kind: Literal["mention", "reply", "comment", "accepted", "removed"]
    actor: Author
    topic_id: UUID
    topic_title: str
    comment_id: UUID | None
    reason: str | None
    created_at: datetime
    seen_at: datetime | None


class UnseenRead(BaseModel):
    unseen: int


class NotificationWishes(Body):
    """Which news the user wants. That a moderator took something down is always told."""

    mention: bool = True
    reply: bool = True
    comment: bool = True
    accepted: bool = True


class SeenBody(Body):
    """Which notifications were seen; without `ids` all of them."""

    ids: Annotated[list[UUID], Field(max_length=100)] | None = None


class ReportFacts(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    topic_id: UUID
    comment_id: UUID | None
    reporter_id: UUID
    reason: str
    note: str | None
    state: ReportState
    claimed_by: UUID | None
    claimed_at: datetime | None
    handled_by: UUID | None
    handled_at: datetime | None
    created_at: datetime


class ReportRead(ReportFacts):
    """A report with the post it is about, as it is now, even when readers can't see it any more."""

    author_id: UUID
    content: str
    status: str
