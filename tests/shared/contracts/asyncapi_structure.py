"""The parts of the AsyncAPI 3.0 and AMQP binding 0.3.0 specifications that our document uses, as JSON Schema.

Kept by hand because the official schema is not packaged. It is closed: a key that the specification does not
know, or that nobody has checked against it, is refused.
"""

NAME = "^[A-Za-z0-9._-]+$"


def closed(required, **properties):
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def mapping(values):
    return {"type": "object", "patternProperties": {NAME: values}, "additionalProperties": False, "minProperties": 1}


def bindings(**properties):
    return closed(["amqp"], amqp=closed(["bindingVersion"], bindingVersion={"const": "0.3.0"}, **properties))


TEXT = {"type": "string", "minLength": 1}
FLAG = {"type": "boolean"}
REFERENCE = closed(["$ref"], **{"$ref": {"type": "string", "pattern": "^#/"}})
SCHEMA = {"type": "object"}

EXCHANGE = closed(
    ["name", "type"],
    name={"type": "string", "maxLength": 255},
    type={"enum": ["topic", "direct", "fanout", "default", "headers"]},
    durable=FLAG,
    autoDelete=FLAG,
    vhost=TEXT,
)
CHANNEL = closed(
    ["address", "messages"],
    address=TEXT,
    messages=mapping(REFERENCE),
    bindings=bindings(**{"is": {"const": "routingKey"}, "exchange": EXCHANGE}),
)
OPERATION = closed(
    ["action", "channel", "messages"],
    action={"enum": ["send", "receive"]},
    channel=REFERENCE,
    messages={"type": "array", "items": REFERENCE, "minItems": 1},
    summary=TEXT,
    tags={"type": "array", "items": closed(["name"], name=TEXT)},
    bindings=bindings(deliveryMode={"enum": [1, 2]}, ack=FLAG),
)
MESSAGE = closed(
    ["payload"],
    name=TEXT,
    title=TEXT,
    summary=TEXT,
    contentType=TEXT,
    payload=SCHEMA,
    examples={"type": "array", "items": closed(["payload"], payload=SCHEMA), "minItems": 2},
    bindings=bindings(messageType=TEXT),
)
DOCUMENT = closed(
    ["asyncapi", "info"],
    asyncapi={"const": "3.0.0"},
    info=closed(["title", "version"], title=TEXT, version=TEXT, description=TEXT, license=closed(["name"], name=TEXT)),
    defaultContentType=TEXT,
    servers=mapping(closed(["host", "protocol"], host=TEXT, protocol={"const": "amqp"}, protocolVersion=TEXT)),
    channels=mapping(CHANNEL),
    operations=mapping(OPERATION),
    components=closed(["messages", "schemas"], messages=mapping(MESSAGE), schemas=mapping(SCHEMA)),
)
