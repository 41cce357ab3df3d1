"""When a change of an event's schema is additive, and when it needs a new version beside the old one."""

from collections.abc import Iterator
from typing import Any

from shared.events.event import Event

Schema = dict[str, Any]

# What a reader sees but a program does not.
ANNOTATIONS = {"title", "description", "default", "examples", "$id", "$schema", "$defs"}
# What has a comparison of its own; every other keyword must stay as it is.
COMPARED = {"properties", "required", "items", "additionalProperties", "enum", "anyOf"}


def schema_of(event: type[Event]) -> Schema:
    """The event's data as JSON Schema 2020-12. Required is what a consumer may rely on in every version-1 message."""
    urn = f"urn:schema:{event.event_type}:{event.event_version}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": urn, **event.model_json_schema()}


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What in `new` could break a consumer or a stored message of `old`; empty when the change is additive.

    Removing, renaming or retyping a field breaks consumers; a new required field breaks messages that are stored or
    on their way; so does a narrowed enum. New optional fields and new enum values are welcome.
    """
    return list(dict.fromkeys(_breaks(_resolved(old, old), _resolved(new, new), "")))


def _resolved(schema: Any, root: Schema) -> Any:
    """The schema with its references filled in and without annotations."""
    if isinstance(schema, list):
        return [_resolved(entry, root) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    kept = {key: _resolved(value, root) for key, value in schema.items() if key not in ANNOTATIONS | {"properties"}}
    if "properties" in schema:
        # A field may be called `title`: inside, names are not keywords.
        kept["properties"] = {name: _resolved(field, root) for name, field in schema["properties"].items()}
    return kept


def _breaks(old: Schema, new: Schema, where: str) -> Iterator[str]:
    yield from _field_breaks(old, new, where)
    yield from _content_breaks(old, new, where)
    yield from _choice_breaks(old, new, where)
    if {key: old[key] for key in old.keys() - COMPARED} != {key: new[key] for key in new.keys() - COMPARED}:
        yield f"{where} changed its type"


def _field_breaks(old: Schema, new: Schema, where: str) -> Iterator[str]:
    prefix = f"{where}." if where else ""
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in before:
        if name not in after:
            yield f"{prefix}{name} was removed"
        else:
            yield from _breaks(before[name], after[name], f"{prefix}{name}")
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{prefix}{name} became required"


def _content_breaks(old: Schema, new: Schema, where: str) -> Iterator[str]:
    """Elements of lists and values of maps."""
    for key in ("items", "additionalProperties"):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _breaks(before, after, f"{where}[]")
        elif before != after:
            yield f"{where} changed what it contains"


def _choice_breaks(old: Schema, new: Schema, where: str) -> Iterator[str]:
    """Alternatives are compared one by one: an added one, such as null, surprises a consumer as much as a lost one."""
    if "enum" in new:
        allowed, still = old.get("enum"), set(new["enum"])
        lost = "anything else" if allowed is None else ", ".join(sorted(set(allowed) - still))
        if lost:
            yield f"{where} no longer allows {lost}"
    before, after = old.get("anyOf", []), new.get("anyOf", [])
    if len(before) != len(after):
        yield f"{where} changed its type"
    for one, other in zip(before, after, strict=False):
        yield from _breaks(one, other, where)
