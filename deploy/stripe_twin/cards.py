"""The test cards and what their banks say."""

from dataclasses import dataclass
from typing import Any, Literal

Reply = Literal["ok", "declined", "3ds", "delayed"]


@dataclass(frozen=True)
class Card:
    """`now` is the bank's reply while the buyer is present, `later` its reply to renewals."""

    name: str
    number: str
    title: str
    now: Reply = "ok"
    later: Reply = "ok"
    refund: Literal["ok", "fails"] = "ok"
    settles: bool = True
    decline_code: str = "generic_decline"

    @property
    def is_bank_debit(self) -> bool:
        return self.now == "delayed"

    def method_details(self) -> dict[str, Any]:
        """The part of a payment method that says what kind it is."""
        if self.is_bank_debit:
            return {"type": "sepa_debit", "sepa_debit": self._debit()}
        return {"type": "card", "card": self._card()}

    def charge_details(self) -> dict[str, Any]:
        """The same on a charge, where Stripe uses another shape."""
        if self.is_bank_debit:
            debit = {name: value for name, value in self._debit().items() if name != "generated_from"}
            return {"type": "sepa_debit", "sepa_debit": debit | {"mandate": None, "expected_debit_date": None}}
        return {"type": "card", "card": self._charged_card()}

    def _card(self) -> dict[str, Any]:
        return {
            "brand": "visa",
            "checks": {"address_line1_check": None, "address_postal_code_check": "pass", "cvc_check": "pass"},
            "country": "US",
            "display_brand": "visa",
            "exp_month": 12,
            "exp_year": 2034,
            "fingerprint": self._fingerprint(),
            "funding": "credit",
            "generated_from": None,
            "last4": self.number[-4:],
            "networks": {"available": ["visa"], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        }

    def _charged_card(self) -> dict[str, Any]:
        only_saved = ("display_brand", "generated_from", "networks", "three_d_secure_usage")
        return {name: value for name, value in self._card().items() if name not in only_saved} | {
            "installments": None,
            "mandate": None,
            "network": "visa",
            "setup_credential_usage": None,
            "stored_credential_usage": None,
            "three_d_secure": None,
        }

    def _debit(self) -> dict[str, Any]:
        return {
            "bank_code": "37040044",
            "branch_code": "",
            "country": "DE",
            "fingerprint": self._fingerprint(),
            "generated_from": {"charge": None, "setup_attempt": None},
            "last4": self.number[-4:],
        }

    def _fingerprint(self) -> str:
        return f"twin{self.number[-12:].replace(' ', '')}"


CARDS = {
    card.name: card
    for card in (
        Card("ok", "4242 4242 4242 4242", "Pays now and at every renewal"),
        Card("declined", "4000 0000 0000 0002", "Is declined", now="declined", later="declined"),
        Card("3ds", "4000 0025 0000 3155", "Asks the buyer to confirm (3D Secure)", now="3ds"),
        Card(
            "delayed", "DE89 3704 0044 0532 0130 00", "Bank debit: succeeds a day later", now="delayed", later="delayed"
        ),
        Card(
            "delayed_fails",
            "DE62 3704 0044 0532 0130 01",
            "Bank debit: fails a day later",
            now="delayed",
            later="delayed",
            settles=False,
            decline_code="insufficient_funds",
        ),
        Card("renewal_fails", "4000 0000 0000 0341", "Pays now, is declined at renewals", later="declined"),
        Card("renewal_3ds", "4000 0027 6000 3184", "Pays now, renewals ask for confirmation", later="3ds"),
        Card("refund_fails", "4000 0000 0000 5126", "Pays; a refund fails a day later", refund="fails"),
    )
}
