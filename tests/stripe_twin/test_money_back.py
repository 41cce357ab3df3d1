"""Refunds and disputes: never more than was paid, and never twice."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from tests.stripe_twin.bench import DAY, Bench


def test_a_refund_above_the_charge_is_refused(twin: Bench) -> None:
    intent = twin.buy(5000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        twin.stripe.v1.refunds.create({"payment_intent": intent["id"], "amount": 5001})
    assert (refused.value.param, refused.value.code) == ("amount", "amount_too_large")


def test_partial_refunds_add_up_to_the_charge_and_no_further(twin: Bench) -> None:
    intent = twin.buy(5000)
    first = twin.stripe.v1.refunds.create({"payment_intent": intent["id"], "amount": 3000, "metadata": {"n": "1"}})
    assert (first.status, first.metadata["n"]) == ("succeeded", "1")  # type: ignore[index]
    with pytest.raises(stripe.InvalidRequestError):
        twin.stripe.v1.refunds.create({"payment_intent": intent["id"], "amount": 3000})
    assert twin.stripe.v1.refunds.create({"charge": intent["latest_charge"]}).amount == 2000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        twin.stripe.v1.refunds.create({"payment_intent": intent["id"]})
    assert refused.value.code == "charge_already_refunded"
    charge = twin.stripe.v1.charges.retrieve(intent["latest_charge"], {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 5000)
    assert charge.refunds is not None
    assert [refund.amount for refund in charge.refunds.data] == [2000, 3000]
    twin.quiet()
    assert [twin.receiver.types().count(kind) for kind in ("charge.refunded", "refund.created")] == [2, 2]


def test_two_refunds_at_once_never_pay_back_more_than_was_paid(twin: Bench) -> None:
    intent = twin.buy(5000)

    def refund(_: int) -> int:
        try:
            return twin.stripe.v1.refunds.create({"payment_intent": intent["id"], "amount": 3000}).amount
        except stripe.InvalidRequestError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(refund, range(8))) == 3000


def test_a_refund_can_fail_a_day_later_and_counts_as_paid_again(twin: Bench) -> None:
    intent = twin.buy(5000, "refund_fails")
    refund = twin.stripe.v1.refunds.create({"payment_intent": intent["id"]})
    assert refund.status == "succeeded"
    twin.advance(DAY)
    assert twin.stripe.v1.refunds.retrieve(refund.id).status == "failed"
    charge = twin.stripe.v1.charges.retrieve(intent["latest_charge"])
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    twin.quiet()
    assert {"refund.failed", "refund.updated"} <= set(twin.receiver.types())


def test_any_refund_can_be_made_to_fail_once(twin: Bench) -> None:
    intent = twin.buy(5000)
    refund = twin.stripe.v1.refunds.create({"payment_intent": intent["id"], "amount": 100})
    for _ in range(2):
        assert twin.control(f"refunds/{refund.id}/fail")["status"] == "failed"
    assert twin.stripe.v1.charges.retrieve(intent["latest_charge"]).amount_refunded == 0


def test_an_unpaid_intent_has_nothing_to_refund(twin: Bench) -> None:
    paid = twin.pay(twin.session(twin.price(interval=None)), "declined")
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        twin.stripe.v1.refunds.create({"payment_intent": paid["payment_intent"]})


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_is_opened_and_decided_once(twin: Bench, outcome: str) -> None:
    intent = twin.buy(5000)
    dispute = twin.control(f"payments/{intent['id']}/dispute")
    assert (dispute["status"], dispute["amount"]) == ("needs_response", 5000)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        twin.stripe.v1.refunds.create({"payment_intent": intent["id"]})
    assert refused.value.code == "charge_disputed"
    action = "dispute_win" if outcome == "won" else "dispute_lose"
    assert twin.control(f"payments/{intent['id']}/{action}")["status"] == outcome
    assert twin.http.post(f"{twin.url}/_control/payments/{intent['id']}/{action}").status_code == 400
    twin.quiet()
    told = twin.receiver.types()
    assert {"charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed"} <= set(told)
    assert ("charge.dispute.funds_reinstated" in told) is (outcome == "won")
    assert [found.id for found in twin.stripe.v1.disputes.list({"payment_intent": intent["id"]})] == [dispute["id"]]


def test_evidence_puts_a_dispute_under_review(twin: Bench) -> None:
    dispute = twin.control(f"payments/{twin.buy()['id']}/dispute")
    updated = twin.stripe.v1.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": "They used it."}})
    assert updated.status == "under_review"
    assert twin.stripe.v1.disputes.close(dispute["id"]).status == "lost"


def test_the_balance_is_what_was_taken_less_what_went_back(twin: Bench) -> None:
    twin.stripe.v1.refunds.create({"payment_intent": twin.buy(5000)["id"], "amount": 1500})
    twin.control(f"payments/{twin.buy(700)['id']}/dispute")
    assert [(each.amount, each.currency) for each in twin.stripe.v1.balance.retrieve().available] == [(3500, "usd")]
