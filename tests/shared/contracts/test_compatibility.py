"""The rule for changes: what is additive passes, what breaks a consumer or a stored message is named."""

from typing import Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel

from shared.contracts.compatibility import breaking_changes, schema_of
from shared.contracts.registry import all_versions
from shared.events.event import Event


class File(BaseModel):
    name: str
    size: int


class WiderFile(BaseModel):
    name: str
    size: int
    kind: str | None = None


class NarrowerFile(BaseModel):
    name: str


def event(**fields):
    """An event class with these annotations; a field given as (annotation, default) is optional."""
    annotations = {name: field[0] if isinstance(field, tuple) else field for name, field in fields.items()}
    defaults = {name: field[1] for name, field in fields.items() if isinstance(field, tuple)}
    body = {"__annotations__": annotations, "__module__": __name__, **defaults}
    return type(Event)("Shipped", (Event,), body, type="parcel.shipped", publishers=("jobs",), subject="parcel/{id}")


def changes(before, after):
    return breaking_changes(schema_of(event(**before)), schema_of(event(**after)))


@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ({"id": UUID, "size": int}, {"id": UUID}, "size was removed"),
        ({"id": UUID, "size": (int, 0)}, {"id": UUID}, "size was removed"),
        ({"id": UUID, "size": int}, {"id": UUID, "bytes": (int, 0)}, "size was removed"),
        ({"id": UUID}, {"id": UUID, "size": int}, "size became required"),
        ({"id": UUID, "size": (int, 0)}, {"id": UUID, "size": int}, "size became required"),
        ({"id": UUID}, {"id": str}, "id changed its type"),
        ({"size": int}, {"size": str}, "size changed its type"),
        ({"at": AwareDatetime}, {"at": UUID}, "at changed its type"),
        ({"size": int}, {"size": int | None}, "size changed its type"),
        ({"size": int | None}, {"size": int}, "size changed its type"),
        ({"size": int | str}, {"size": int | None}, "size changed its type"),
        ({"ids": list[UUID]}, {"ids": list[str]}, "ids[] changed its type"),
        ({"ids": list[UUID]}, {"ids": UUID}, "ids changed what it contains"),
        ({"limits": dict[str, int]}, {"limits": dict[str, str]}, "limits[] changed its type"),
        ({"kind": Literal["a", "b"]}, {"kind": Literal["a", "c"]}, "kind no longer allows b"),
        ({"kind": str}, {"kind": Literal["a", "b"]}, "kind no longer allows anything else"),
        ({"files": list[File]}, {"files": list[NarrowerFile]}, "files[].size was removed"),
        ({"file": NarrowerFile}, {"file": File}, "file.size became required"),
        ({"file": File | None}, {"file": NarrowerFile | None}, "file.size was removed"),
    ],
)
def test_a_break_is_named(before, after, finding):
    assert finding in changes(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"id": UUID}, {"id": UUID}),
        ({"id": UUID}, {"id": UUID, "size": (int | None, None)}),
        ({"id": UUID, "size": int}, {"size": int, "id": UUID}),
        ({"size": (int, 0)}, {"size": (int, 1)}),
        ({"kind": Literal["a", "b"]}, {"kind": Literal["a", "b", "c"]}),
        ({"kind": Literal["a", "b"]}, {"kind": str}),
        ({"files": list[File]}, {"files": list[WiderFile]}),
        ({"title": str, "description": str}, {"title": str, "description": str, "default": (str, "")}),
    ],
)
def test_an_addition_is_no_break(before, after):
    assert changes(before, after) == []


def test_fields_named_like_keywords_are_still_fields():
    assert changes({"title": str}, {"title": int}) == ["title changed its type"]
    assert changes({"title": str, "id": UUID}, {"id": UUID}) == ["title was removed"]


@pytest.mark.parametrize("kind", all_versions().values(), ids=lambda kind: kind.event_type)
def test_no_event_breaks_itself(kind):
    assert breaking_changes(schema_of(kind), schema_of(kind)) == []


@pytest.mark.parametrize("kind", all_versions().values(), ids=lambda kind: kind.event_type)
def test_losing_any_field_of_any_event_is_a_break(kind):
    schema = schema_of(kind)
    for name in schema["properties"]:
        kept = {field: value for field, value in schema["properties"].items() if field != name}
        required = [field for field in schema.get("required", []) if field != name]
        assert f"{name} was removed" in breaking_changes(schema, {**schema, "properties": kept, "required": required})
