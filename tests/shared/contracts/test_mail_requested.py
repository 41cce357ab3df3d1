"""The one event with free parameters holds nothing that a mailbox or a log must not see."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from pydantic import ValidationError

from shared.contracts.common import MailRequested

USER = UUID("01934f2a-7c10-7000-8000-000000000002")


def mail(**params):
    return MailRequested(template="payment_receipt", user_id=USER, params=params, dedupe_key="receipt:1")


def test_ids_and_times_are_text_on_both_sides():
    sent = mail(
        payment_id=USER, paid_at=datetime(2026, 11, 23, 12, tzinfo=UTC), amount_total=3900, full=True, plan=None
    )
    received = MailRequested.model_validate_json(sent.model_dump_json())
    assert received == sent
    assert received.params == {
        "payment_id": str(USER),
        "paid_at": "2026-11-23T12:00:00+00:00",
        "amount_total": 3900,
        "full": True,
        "plan": None,
    }


@pytest.mark.parametrize("text", ["20261123", "true", "1.5", "2026-01-01T00:00:00Z", str(USER)])
def test_text_that_looks_like_something_else_stays_text(text):
    sent = mail(reference=text)
    assert MailRequested.model_validate_json(sent.model_dump_json()).params == {"reference": text}


@pytest.mark.parametrize("name", ["token", "reset_token", "new_password", "email", "old_email", "signed_url", "Secret"])
def test_a_parameter_named_like_a_secret_or_an_address_is_refused(name):
    with pytest.raises(ValidationError, match="is no fact for a mail"):
        mail(**{name: "x"})


@pytest.mark.parametrize("value", [1.5, {"nested": 1}, ["list"], b"bytes"])
def test_a_parameter_is_one_plain_value(value):
    with pytest.raises(ValidationError):
        mail(thing=value)
