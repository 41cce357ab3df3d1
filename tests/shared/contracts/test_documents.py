"""The generated documents tell what the manifests say, and a stale or breaking one is noticed."""

import json

import jsonschema
import pytest
from referencing import Registry, Resource

from deploy.cli import documents
from deploy.documents.asyncapi import asyncapi
from deploy.documents.event_table import event_table
from shared.contracts.golden import committed_schema
from shared.contracts.registry import all_versions
from tests.shared.contracts.asyncapi_structure import DOCUMENT
from tests.shared.contracts.manifests import MANIFESTS


@pytest.fixture(scope="module")
def document():
    return json.loads(documents.as_json(asyncapi(MANIFESTS)))


@pytest.fixture
def _manifests(monkeypatch):
    monkeypatch.setattr(documents, "_services", lambda: MANIFESTS)


def references(node):
    if isinstance(node, dict):
        yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        node = list(node.values())
    if isinstance(node, list):
        for entry in node:
            yield from references(entry)


def at(document, reference):
    node = document
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_the_asyncapi_document_keeps_to_the_specification(document):
    jsonschema.Draft202012Validator(DOCUMENT).validate(document)


def test_the_structural_check_refuses_what_the_specification_does_not_know(document):
    for broken in (
        {**document, "asyncapi": "2.6.0"},
        {**document, "topics": {}},
        {**document, "channels": {"payment paid": document["channels"]["payment.paid"]}},
        {**document, "operations": {"x": {"action": "publish", "channel": {"$ref": "#/x"}, "messages": []}}},
    ):
        assert not jsonschema.Draft202012Validator(DOCUMENT).is_valid(broken)


def test_every_reference_points_at_something(document):
    found = list(references(document))
    assert len(found) > 300
    for reference in found:
        at(document, reference)


def test_an_operation_s_messages_belong_to_its_channel(document):
    for operation in document["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_every_example_is_a_valid_message(document):
    registry = Registry().with_resource("urn:doc", Resource.opaque(document))
    for name, message in document["components"]["messages"].items():
        schema = {"$ref": f"urn:doc#/components/messages/{name}/payload"}
        validator = jsonschema.Draft202012Validator(schema, registry=registry)
        for example in message["examples"]:
            validator.validate(example["payload"])
            without = {key: value for key, value in example["payload"].items() if key != "sequence"}
            assert not validator.is_valid(without)
            assert not validator.is_valid({**example["payload"], "data": {}})


def test_every_event_has_a_channel_and_both_ends_are_named(document):
    assert set(document["channels"]) == {name for name, _ in all_versions()}
    operations = document["operations"]
    assert operations["billing.sends.payment.paid"]["action"] == "send"
    received = operations["community.commissions.receives.payment.paid"]
    assert received["action"] == "receive"
    assert received["summary"] == "Into community.in, handled in the subject's order."
    assert sum(name.endswith(".sends.mail.requested") for name in operations) == 5


def test_the_table_names_publishers_consumers_and_fields():
    text = event_table(MANIFESTS)
    assert (
        "| [payment.paid](#paymentpaid) | billing | community.commissions (ordered) | `payment/{payment_id}` |" in text
    )
    assert "| accounts, billing, chat, community, jobs | accounts.mailer |" in text
    assert "- `subscription_id?`: uuid or null" in text
    assert "- `files`: list of {`name`: text, `kind`: text, `bytes`: integer, `duration`: integer or null}" in text
    assert text.count("\n## ") == len(all_versions())


def test_documents_do_not_change_from_run_to_run():
    assert documents.documents(MANIFESTS) == documents.documents(tuple(reversed(MANIFESTS)))


@pytest.mark.usefixtures("_manifests")
def test_written_documents_are_fresh_until_something_changes(tmp_path):
    assert "docs/events.md" in documents.stale_documents(tmp_path)
    documents.write_documents(tmp_path)
    assert documents.stale_documents(tmp_path) == []
    (tmp_path / "docs/events.md").write_text("edited by hand")
    (tmp_path / "shared/contracts/schemas/payment.paid.1.json").unlink()
    (tmp_path / "shared/contracts/schemas/gone.event.1.json").write_text("{}")
    assert set(documents.stale_documents(tmp_path)) == {
        "docs/events.md",
        "shared/contracts/schemas/payment.paid.1.json",
        "shared/contracts/schemas/gone.event.1.json",
    }


@pytest.mark.usefixtures("_manifests")
def test_a_breaking_schema_is_not_written(tmp_path, monkeypatch):
    def as_if_payments_once_had_a_note(event):
        schema = committed_schema(event)
        if event.event_type == "payment.paid":
            schema["properties"]["note"] = {"type": "string"}
        return schema

    monkeypatch.setattr(documents, "committed_schema", as_if_payments_once_had_a_note)
    with pytest.raises(documents.BreakingChange, match=r"payment\.paid: note was removed"):
        documents.write_documents(tmp_path)
    assert not list(tmp_path.iterdir())
