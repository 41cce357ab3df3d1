"""The models, the committed schemas and the golden samples say the same, and keep the contract's rules."""

import json
import re

import jsonschema
import pytest

from deploy.cli.documents import schema_documents
from shared.contracts import registry
from shared.contracts.compatibility import schema_of
from shared.contracts.golden import SAMPLES, SCHEMAS, committed_schema, file_name, samples_of
from shared.contracts.registry import all_events, all_versions
from shared.events.event import Event

EVENTS = [pytest.param(event, id=file_name(event)) for event in all_versions().values()]
SERVICES = {"accounts", "billing", "chat", "community", "jobs"}
CONFIDENTIAL = {"password", "secret", "token", "otp", "authorization", "cookie", "card", "iban", "ip"}
MONEY = {"amount", "delta", "balance"}


def every_field(schema):
    """Names and schemas of all fields, nested ones too."""
    for owner in (schema, *schema.get("$defs", {}).values()):
        yield from owner.get("properties", {}).items()


def every_type(schema):
    if isinstance(schema, dict):
        yield from [schema["type"]] if isinstance(schema.get("type"), str) else []
        schema = [value for key, value in schema.items() if key not in {"default", "examples"}]
    if isinstance(schema, list):
        for entry in schema:
            yield from every_type(entry)


@pytest.mark.parametrize("event", EVENTS)
def test_a_model_s_schema_is_the_committed_one(event):
    assert committed_schema(event) == schema_of(event), "run ./atelier docs, and bump the version if it refuses"


def test_committed_files_are_written_as_the_generator_writes_them():
    for path, text in schema_documents().items():
        assert (SCHEMAS / path.rsplit("/", 1)[-1]).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("folder", [SCHEMAS, SAMPLES], ids=["schemas", "samples"])
def test_every_event_of_the_registry_is_covered_and_nothing_else(folder):
    assert {path.name for path in folder.iterdir()} == {file_name(event) for event in all_versions().values()}


@pytest.mark.parametrize("event", EVENTS)
def test_golden_samples_come_back_as_they_were(event):
    samples = samples_of(event)
    assert len(samples) >= 2
    assert len({json.dumps(sample, sort_keys=True) for sample in samples}) == len(samples)
    for sample in samples:
        assert event.model_validate(sample).model_dump(mode="json") == sample
        assert json.loads(event.model_validate_json(json.dumps(sample)).model_dump_json()) == sample


@pytest.mark.parametrize("event", EVENTS)
def test_golden_samples_match_the_committed_schema(event):
    validator = jsonschema.Draft202012Validator(committed_schema(event), format_checker=jsonschema.FormatChecker())
    for sample in samples_of(event):
        validator.validate(sample)


@pytest.mark.parametrize("event", EVENTS)
def test_a_consumer_ignores_fields_that_it_does_not_know(event):
    sample = samples_of(event)[0]
    newer = event.model_validate({**sample, "added_next_year": {"x": 1}})
    assert newer == event.model_validate(sample)


@pytest.mark.parametrize("event", EVENTS)
def test_an_event_tells_when_it_is_published_and_by_whom(event):
    schema = schema_of(event)
    assert re.search(r"[a-z].*\.", schema["description"])
    assert event.__doc__ != Event.__doc__
    assert set(event.event_publishers) <= SERVICES
    assert event.event_publishers
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", event.event_type)


@pytest.mark.parametrize("event", EVENTS)
def test_a_subject_is_an_aggregate_and_an_id_made_of_the_event_s_fields(event):
    for sample in samples_of(event):
        subject = event.model_validate(sample).event_subject
        assert re.fullmatch(r"[a-z_]+/[^{}/]+", subject)


@pytest.mark.parametrize("event", EVENTS)
def test_numbers_are_whole(event):
    assert "number" not in set(every_type(schema_of(event)))


@pytest.mark.parametrize("event", EVENTS)
def test_money_is_an_integer_with_a_currency(event):
    fields = dict(every_field(schema_of(event)))
    money = [name for name in fields if set(name.split("_")) & MONEY and event.event_type != "entitlement.changed"]
    for name in money:
        assert fields[name]["type"] == "integer"
    assert not money or "currency" in fields


@pytest.mark.parametrize("event", EVENTS)
def test_no_field_looks_like_a_secret(event):
    for name, _ in every_field(schema_of(event)):
        assert not set(name.split("_")) & CONFIDENTIAL, name


def test_an_address_travels_in_one_event_only():
    addressed = {name for name, event in all_events().items() if "email" in event.model_fields}
    assert addressed == {"user.email_changed"}
    for name, event in all_events().items():
        if name != "user.email_changed":
            assert "@" not in json.dumps(samples_of(event)), name


@pytest.mark.parametrize("event", EVENTS)
def test_times_carry_their_zone(event):
    for name, field in every_field(schema_of(event)):
        if "date-time" not in json.dumps(field):
            continue
        sample = samples_of(event)[0]
        if isinstance(sample.get(name), str):
            with pytest.raises(ValueError, match="timezone"):
                event.model_validate({**sample, name: "2026-11-23T12:00:00"})


def test_two_classes_may_not_claim_one_type_and_version(monkeypatch):
    class Again(Event, type="payment.paid", publishers=("billing",), subject="payment/{payment_id}"):
        """Claims what is taken."""

    monkeypatch.setattr(registry.contracts.billing, "Again", Again, raising=False)
    with pytest.raises(ValueError, match=r"payment\.paid version 1 has two classes"):
        all_versions()


def test_a_new_version_stands_beside_the_old_one(monkeypatch):
    class PaymentPaidV2(Event, type="payment.paid", publishers=("billing",), subject="payment/{id}", version=2):
        """A break of the first version."""

    monkeypatch.setattr(registry.contracts.billing, "PaymentPaidV2", PaymentPaidV2, raising=False)
    assert {("payment.paid", 1), ("payment.paid", 2)} <= set(all_versions())
    assert all_events()["payment.paid"] is PaymentPaidV2
