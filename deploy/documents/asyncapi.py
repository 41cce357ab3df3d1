"""`docs/asyncapi.json`: the same flows as AsyncAPI 3.0 with AMQP bindings."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from deploy.documents.manifests import Flow, Manifest, flows
from shared.contracts.compatibility import Schema
from shared.contracts.golden import samples_of
from shared.events.envelope import MAX_BYTES, SEQUENCE_DIGITS, SPEC_VERSION, envelope_of

CONTENT_TYPE = "application/cloudevents+json"
BINDING = "0.3.0"
EXCHANGE = {"name": "events", "type": "topic", "durable": True, "autoDelete": False, "vhost": "/"}
# Examples must not change from run to run, and nothing was published before the platform was.
EXAMPLE_TIME = datetime(2026, 11, 23, 14, 5, 10, tzinfo=UTC)


def asyncapi(services: Sequence[Manifest]) -> dict[str, Any]:
    """One document for all services: a channel per event, a `send` per publisher, a `receive` per consumer."""
    described = flows(services)
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": CONTENT_TYPE,
        "servers": {"rabbitmq": {"host": "localhost:5672", "protocol": "amqp", "protocolVersion": "0.9.1"}},
        "channels": {flow.key: _channel(flow) for flow in described},
        "operations": {name: operation for flow in described for name, operation in _operations(flow).items()},
        "components": {
            "messages": {flow.key: _message(flow) for flow in described},
            "schemas": {"Envelope": _envelope_schema(), **_data_schemas(described)},
        },
    }


def _info() -> dict[str, Any]:
    return {
        "title": "Atelier events",
        "version": "1",
        "description": "What the services tell each other. Delivery is at least once; consumers are idempotent.",
        "license": {"name": "MIT"},
    }


def _channel(flow: Flow) -> dict[str, Any]:
    """The exchange under one routing key: two versions of a type share the key and differ in `dataversion`."""
    return {
        "address": flow.event.event_type,
        "messages": {flow.key: {"$ref": f"#/components/messages/{flow.key}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": EXCHANGE, "bindingVersion": BINDING}},
    }


def _operations(flow: Flow) -> dict[str, Any]:
    sent = {f"{service}.sends.{flow.key}": _operation(flow, "send", service) for service in flow.publishers}
    for consumer in flow.consumers:
        operation = _operation(flow, "receive", consumer.service)
        operation["summary"] = f"Into {consumer.service}.in, handled {_order_of(consumer.subscription.ordered)}."
        sent[f"{consumer.name}.receives.{flow.key}"] = operation
    return sent


def _order_of(ordered: bool) -> str:  # noqa: FBT001 - the one fact that the sentence is about
    return "in the subject's order" if ordered else "in any order"


def _operation(flow: Flow, action: str, service: str) -> dict[str, Any]:
    channel = f"#/channels/{flow.key}"
    binding = {"deliveryMode": 2} if action == "send" else {"ack": True}
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{flow.key}"}],
        "tags": [{"name": service}],
        "bindings": {"amqp": {**binding, "bindingVersion": BINDING}},
    }


def _message(flow: Flow) -> dict[str, Any]:
    event = flow.event
    data = {"$ref": f"#/components/schemas/{event.__name__}"}
    told = {"type": {"const": event.event_type}, "dataversion": {"const": event.event_version}, "data": data}
    return {
        "name": event.event_type,
        "title": event.__name__,
        "summary": (event.__doc__ or "").split("\n\n")[0],
        "contentType": CONTENT_TYPE,
        "payload": {"allOf": [{"$ref": "#/components/schemas/Envelope"}, {"type": "object", "properties": told}]},
        "examples": [{"payload": payload} for payload in _examples(flow)],
        "bindings": {"amqp": {"messageType": event.event_type, "bindingVersion": BINDING}},
    }


def _examples(flow: Flow) -> list[dict[str, Any]]:
    """The golden samples in their envelopes, as they would lie in a queue."""
    service = flow.event.event_publishers[0]
    return [
        envelope_of(
            flow.event.model_validate(sample),
            event_id=uuid5(NAMESPACE_URL, f"{flow.key}:{number}"),
            source=service,
            sequence=number,
            occurred_at=EXAMPLE_TIME,
        )
        for number, sample in enumerate(samples_of(flow.event), 1)
    ]


def _data_schemas(described: Sequence[Flow]) -> dict[str, Schema]:
    """Every event's data and what it nests, side by side, because `$defs` is no place that a document can point to."""
    found: dict[str, Schema] = {}
    for flow in described:
        schema = flow.event.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, definition in {**schema.pop("$defs", {}), flow.event.__name__: schema}.items():
            if found.setdefault(name, definition) != definition:
                raise ValueError(f"two different schemas are called {name}")
    return found


def _envelope_schema() -> Schema:
    text = {"type": "string"}
    properties = {
        "specversion": {"const": SPEC_VERSION},
        "id": {"type": "string", "format": "uuid"},
        "source": {"type": "string", "pattern": "^/services/[a-z]+$"},
        "type": text,
        "subject": {"type": "string", "description": "aggregate/id"},
        "time": {"type": "string", "format": "date-time"},
        "sequence": {
            "type": "string",
            "pattern": f"^[0-9]{{{SEQUENCE_DIGITS}}}$",
            "description": "The aggregate's version.",
        },
        "dataversion": {"type": "integer", "minimum": 1},
        "dataschema": {"type": "string", "pattern": "^urn:schema:"},
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object"},
    }
    optional = {"correlationid": text, "causationid": text, "actor": text, "traceparent": text, "tracestate": text}
    return {
        "type": "object",
        "description": f"CloudEvents 1.0 in JSON, at most {MAX_BYTES} bytes.",
        "properties": {**properties, **optional},
        "required": list(properties),
    }
