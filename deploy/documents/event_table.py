"""`docs/events.md`: every event, who publishes and consumes it, and its fields."""

from collections.abc import Iterator, Sequence
from typing import Any

from deploy.documents.manifests import Consumer, Flow, Manifest, flows
from shared.contracts.compatibility import Schema, schema_of

HEAD = """\
# Events

<!-- Written by `./atelier docs` from the service manifests and `shared/contracts`; edits here are lost. -->

Envelopes are CloudEvents 1.0 in JSON; the type is the routing key. Delivery is at least once. A consumer marked
*ordered* sees the events of one subject in order, the others may not. `?` marks a field that may be absent or null.
The schemas lie in `shared/contracts/schemas`, samples in `shared/contracts/samples`, the same for machines in
[asyncapi.json](asyncapi.json).
"""
COLUMNS = "| type | published by | consumed by | subject |\n|---|---|---|---|"


def event_table(services: Sequence[Manifest]) -> str:
    """The whole document as Markdown."""
    described = flows(services)
    rows = "\n".join(_row(flow) for flow in described)
    details = "\n\n".join("\n".join(_details(flow)) for flow in described)
    return f"{HEAD}\n{COLUMNS}\n{rows}\n\n{details}\n"


def _row(flow: Flow) -> str:
    publishers = ", ".join(flow.publishers) or "-"
    consumers = ", ".join(_consumer(consumer) for consumer in flow.consumers) or "-"
    link = f"[{flow.key}](#{flow.key.replace('.', '')})"
    return f"| {link} | {publishers} | {consumers} | `{flow.event.subject_template}` |"


def _consumer(consumer: Consumer) -> str:
    return f"{consumer.name} (ordered)" if consumer.subscription.ordered else consumer.name


def _details(flow: Flow) -> Iterator[str]:
    schema = schema_of(flow.event)
    yield f"## {flow.key}"
    yield ""
    yield str(schema["description"])
    yield ""
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        yield f"- `{name}{'' if name in required else '?'}`: {_kind(field, schema)}"


def _kind(field: Schema, schema: Schema) -> str:
    """A field's type in words, such as `list of uuid`."""
    if "$ref" in field:
        return _object(schema["$defs"][field["$ref"].rsplit("/", 1)[-1]], schema)
    if "anyOf" in field:
        return " or ".join(_kind(choice, schema) for choice in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'], schema)}"
    if field.get("type") == "object":
        return f"map of {_kind(field['additionalProperties'], schema)}"
    return _word(field)


def _object(definition: Schema, schema: Schema) -> str:
    fields = definition["properties"].items()
    return "{" + ", ".join(f"`{name}`: {_kind(field, schema)}" for name, field in fields) + "}"


def _word(field: dict[str, Any]) -> str:
    return str(field.get("format") or {"string": "text"}.get(field["type"], field["type"]))
