"""The mails we write, by the name they are asked for. Plain text; facts come from the event, links from the mailer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shared import money

Purpose = Literal["verify", "reset"]
SIGNATURE = "\n\nThe Atelier team"


@dataclass(frozen=True, slots=True)
class Template:
    """`page` is where the mail's link leads; with a `purpose` the link carries a one-time token."""

    subject: str
    text: str
    page: str | None = None
    purpose: Purpose | None = None


TEMPLATES: Mapping[str, Template] = {
    "verify": Template(
        "Confirm your e-mail address",
        "Hello {name},\n\nwelcome to Atelier. Please confirm that this is your address:\n\n{link}\n\n"
        "The link works once, for {minutes} minutes. If you did not sign up, ignore this mail: without the"
        " confirmation nobody can use the account.",
        page="/verify",
        purpose="verify",
    ),
    "already_registered": Template(
        "You already have an account",
        "Hello {name},\n\nsomebody, probably you, tried to sign up with this address, but you already have an account."
        " You can simply log in. If you forgot your password, choose a new one from the login page:\n\n{link}\n\n"
        "If it was not you, there is nothing to do: your account has not changed.",
        page="/",
    ),
    "password_reset": Template(
        "Choose a new password",
        "Hello {name},\n\nhere you can choose a new password:\n\n{link}\n\n"
        "The link works once, for {minutes} minutes, and signs you out everywhere. If you did not ask for it, ignore"
        " this mail: your password stays as it is.",
        page="/reset",
        purpose="reset",
    ),
    "password_changed": Template(
        "Your password was changed",
        "Hello {name},\n\nyour password has just been changed and your other devices were signed out.\n\n"
        "If this was not you, choose a new password at once from the login page:\n\n{link}",
        page="/",
    ),
    "second_factor_added": Template(
        "A second factor protects your account",
        "Hello {name},\n\nfrom now on a login needs your password and a code of the authenticator app that you have"
        " just added. Your other devices were signed out. Keep the recovery codes where you find them without your"
        " phone.\n\nIf this was not you, choose a new password at once and write to us:\n\n{link}",
        page="/",
    ),
    "second_factor_removed": Template(
        "A second factor was removed from your account",
        "Hello {name},\n\nan authenticator app was removed from your account; its codes no longer work.\n\n"
        "If this was not you, choose a new password at once and write to us:\n\n{link}",
        page="/",
    ),
    "recovery_code_used": Template(
        "A recovery code was used",
        "Hello {name},\n\nsomebody logged in to your account with a recovery code; {left} of them are left.\n\n"
        "If this was not you, choose a new password at once and make new codes:\n\n{link}",
        page="/",
    ),
    "deletion_requested": Template(
        "Your account will be deleted",
        "Hello {name},\n\nas you asked, your account will be deleted on {on}. Until then you can change your mind: log"
        " in and take it back. Afterwards all is gone but what the law wants kept of your payments:\n\n{link}\n\n"
        "If it was not you, log in now, take it back and choose a new password.",
        page="/",
    ),
    "deletion_begun": Template(
        "Your account is being deleted",
        "Hello {name},\n\nyour account is being deleted now, and this is the last mail to you. Thank you for having"
        " been here.",
    ),
    "payment_receipt": Template(
        "Your receipt for {plan_name}",
        "Hello {name},\n\nthank you. We received your payment of {amount} for {plan_name}.\n\n"
        "Payment reference: {payment_id}\nYou find all payments and invoices in your account:\n\n{link}",
        page="/",
    ),
    "payment_failed": Template(
        "Your payment for {plan_name} did not go through",
        "Hello {name},\n\nyour bank declined the payment of {amount} for {plan_name}. Nothing was charged. We try again"
        " in the next days; to keep your plan, please check your payment method:\n\n{link}",
        page="/",
    ),
    "payment_failed_finally": Template(
        "Your payment for {plan_name} did not go through",
        "Hello {name},\n\nyour bank declined the payment of {amount} for {plan_name}. Nothing was charged, and we do"
        " not try any more, so the plan ends. You can choose it again whenever you like:\n\n{link}",
        page="/",
    ),
    "payment_action_required": Template(
        "Please confirm your payment for {plan_name}",
        "Hello {name},\n\nyour bank wants you to confirm the payment of {amount} for {plan_name}. Nothing was charged"
        " yet. To keep your plan, confirm it from the list of payments in your account:\n\n{link}",
        page="/",
    ),
    "payment_refunded": Template(
        "Your refund is on its way",
        "Hello {name},\n\nwe refunded {amount_refunded} of your payment for {plan_name}. Banks take up to ten days to"
        " show it.\n\nPayment reference: {payment_id}",
    ),
    "subscription_ended": Template(
        "Your plan has ended",
        "Hello {name},\n\nyour subscription has ended and your account is on the free plan now. Everything you made is"
        " still there, and you can choose a plan again whenever you like:\n\n{link}",
        page="/",
    ),
    "trial_ending": Template(
        "Your trial of {plan_name} ends on {ends_on}",
        "Hello {name},\n\nyour trial of {plan_name} ends on {ends_on}. The plan then goes on as a paid subscription,"
        " and {amount} is charged to your payment method. To change or cancel it before, visit your account:\n\n{link}",
        page="/",
    ),
    "trial_ending_without_card": Template(
        "Your trial of {plan_name} ends on {ends_on}",
        "Hello {name},\n\nyour trial of {plan_name} ends on {ends_on}. We have no payment method of yours, so nothing"
        " is charged and your account then goes back to the free plan. To keep the plan for {amount}, add a payment"
        " method in your account before:\n\n{link}",
        page="/",
    ),
    "job_failed": Template(
        "Your {tool} job could not be finished",
        "Hello {name},\n\nyour {tool} job failed, and what it had reserved of your quota was given back. You can look"
        " at the reason and start it again here:\n\n{link}",
        page="/",
    ),
    "job_completed": Template(
        "Your {tool} job is done",
        "Hello {name},\n\nyour {tool} job is finished and its files are waiting for you:\n\n{link}",
        page="/",
    ),
    "results_expiring": Template(
        "Results of yours will soon be removed",
        "Hello {name},\n\nresults of {results} of your jobs will be removed soon, the first on {first_on}. Download"
        " what you want to keep:\n\n{link}",
        page="/",
    ),
    "usage_threshold": Template(
        "You have used {percent} % of your plan",
        "Hello {name},\n\nyou have used {percent} % of {metric} in this period. To go on without a pause, look at the"
        " larger plans:\n\n{link}",
        page="/",
    ),
    "affiliate_approved": Template(
        "Welcome to the affiliate programme",
        "Hello {name},\n\nyou are an Atelier affiliate now. Your link and your balance are in your account:\n\n{link}",
        page="/",
    ),
    "commission_accrued": Template(
        "You earned a commission",
        "Hello {name},\n\nsomebody you referred has paid: you earned {amount}. It becomes available after the holding"
        " period. Your balance:\n\n{link}",
        page="/",
    ),
    "commission_reversed": Template(
        "A commission was taken back",
        "Hello {name},\n\na payment you had earned a commission on was refunded, so {amount} was taken off your"
        " balance. Your balance:\n\n{link}",
        page="/",
    ),
    "payout_paid": Template(
        "Your payout is on its way",
        "Hello {name},\n\nwe have paid out {amount} to you. Thank you for recommending Atelier.",
    ),
}


class _Facts(dict[str, str]):
    """A fact the asking service left out reads as a gap, not as an error that parks the mail."""

    def __missing__(self, key: str) -> str:
        return "…"


def written(template: Template, facts: Mapping[str, str]) -> tuple[str, str]:
    """Subject and text with the facts filled in."""
    known = _Facts(facts)
    return template.subject.format_map(known), template.text.format_map(known) + SIGNATURE


def facts_of(params: Mapping[str, object]) -> dict[str, str]:
    """The event's facts as words; amounts are in minor units of `currency`."""
    currency = str(params.get("currency") or "usd")
    return {name: _worded(name, value, currency) for name, value in params.items() if value is not None}


def _worded(name: str, value: object, currency: str) -> str:
    if name.startswith("amount") and isinstance(value, int):
        return money.written(value, currency)
    return str(value)
