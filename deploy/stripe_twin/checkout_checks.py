"""What a Checkout Session may be asked for, before anything is made."""

from deploy.stripe_twin.account import DAY, Account, Body
from deploy.stripe_twin.errors import invalid
from shared import money

LIFE = DAY
MAX_TRIAL_DAYS = 730
SIMULATED = {
    "subscription_data": {"description", "metadata", "trial_end", "trial_period_days", "trial_settings"},
    "invoice_creation": {"enabled", "invoice_data"},
    "payment_intent_data": {
        "description",
        "metadata",
        "receipt_email",
        "setup_future_usage",
        "statement_descriptor",
    },
}


def check_session(account: Account, params: Body) -> None:
    if params.get("mode") not in ("payment", "subscription"):
        raise invalid("The twin knows the modes payment and subscription.", param="mode")
    if "success_url" not in params:
        raise invalid("Missing required param: success_url.", param="success_url", code="parameter_missing")
    for name in ("success_url", "cancel_url"):
        if name in params and not params[name].startswith(("http://", "https://")):
            raise invalid(f"Not a valid URL: {params[name][:200]}", param=name, code="url_invalid")
    if "customer" in params and "customer_email" in params:
        raise invalid("You may only specify one of customer, customer_email.", param="customer")
    _check_mode(params)
    _check_trial(account, params.get("subscription_data", {}))
    for data, simulated in SIMULATED.items():
        if unknown := set(params.get(data, {})) - simulated:
            name = f"{data}[{unknown.pop()}]"
            raise invalid(f"This twin does not simulate `{name}`.", param=name, code="parameter_unsupported")
    expires_at = params.get("expires_at", account.now + LIFE)
    if not account.now + 1800 <= expires_at <= account.now + LIFE:
        raise invalid("expires_at must be 30 minutes to 24 hours from now.", param="expires_at")


_NOT_FOR = {
    "payment": ("subscription_data", "payment_method_collection"),
    "subscription": ("payment_intent_data", "invoice_creation"),
}


def _check_mode(params: Body) -> None:
    """What belongs to the other mode is refused."""
    for other in _NOT_FOR[params["mode"]]:
        if other in params:
            raise invalid(f"You can not pass `{other}` in `{params['mode']}` mode.", param=other)


_TRIAL_ENDS: Body = {"end_behavior": {"missing_payment_method": "create_invoice"}}


def _check_trial(account: Account, data: Body) -> None:
    if not 1 <= data.get("trial_period_days", 1) <= MAX_TRIAL_DAYS:
        raise invalid("trial_period_days is 1 to 730.", param="subscription_data[trial_period_days]")
    if data.get("trial_settings", _TRIAL_ENDS)["end_behavior"]["missing_payment_method"] == "pause":
        raise invalid("The twin cancels or invoices at a trial's end.", param="subscription_data[trial_settings]")
    if not 0 < data.get("trial_end", account.now + 1) - account.now <= MAX_TRIAL_DAYS * DAY:
        raise invalid("trial_end is in the next two years.", param="subscription_data[trial_end]")


def check_amount(session: Body) -> None:
    """A single payment of less than the bank moves is refused; a subscription carries it over to its next invoice."""
    amount, currency = session["amount_total"], session["currency"]
    if session["mode"] != "payment" or amount == 0 or amount >= money.minimum_charge(currency):
        return
    least = money.written(money.minimum_charge(currency), currency)
    raise invalid(
        f"The Checkout Session's total amount due must add up to at least {least}.",
        param="line_items",
        code="amount_too_small",
    )
