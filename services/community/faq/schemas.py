"""HTTP bodies of the FAQ."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.community.requests import Clean

Status = Literal["draft", "published"]
Order = Annotated[int, Field(ge=0, le=2**53, strict=True)]
Locale = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=20)]
QuestionText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), Clean]
AnswerText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), Clean]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=100), Clean]


NewSlug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
CategoryName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Clean]
# Postgres counts positions in 32 bits.
Position = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CategoryCreate(Body):
    slug: NewSlug
    name: CategoryName
    position: Position = 0


class ItemCreate(Body):
    question: QuestionText
    answer: AnswerText
    category: Slug
    order: Order | None = None
    locale: Locale = "en"
    status: Status = "published"


class ItemPatch(Body):
    """Only the fields that are sent change; none may be null."""

    question: QuestionText | None = None
    answer: AnswerText | None = None
    category: Slug | None = None
    order: Order | None = None
    locale: Locale | None = None
    status: Status | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_null(cls, body: Any) -> Any:
        if isinstance(body, dict) and (nulls := sorted(str(name) for name, value in body.items() if value is None)):
            raise ValueError(f"{', '.join(nulls)} can't be null")
        return body


class Reorder(Body):
    category: Slug
    ids: list[UUID] = Field(max_length=1000)


class Feedback(Body):
    helpful: bool = Field(strict=True)


class ItemRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    question: str
    answer: str
    answer_html: str
    category: str
    order: int
    locale: str
    slug: str
    status: str
    helpful_yes: int
    helpful_no: int
    version: int


class FaqCategoryRead(BaseModel):
    """`version` is what a reordering sends as `If-Match`."""

    model_config = ConfigDict(from_attributes=True)

    slug: str
    name: str
    position: int
    version: int


class FaqCategoryList(BaseModel):
    items: list[FaqCategoryRead]
    next_cursor: None = None


class CategoryOrder(BaseModel):
    category: str
    version: int
    items: list[ItemRead]
