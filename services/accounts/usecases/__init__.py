"""What accounts can do, one function each; this list reads as its features."""

from services.accounts.usecases.administration import (
    change_roles,
    create_admin,
    disable_user,
    enable_user,
    revoke_all_sessions,
)
from services.accounts.usecases.api_keys import KeyRequest, create_key, revoke_key, rotate_key, update_key
from services.accounts.usecases.challenges import count_try, pass_challenge
from services.accounts.usecases.customers import bind_stripe_customer
from services.accounts.usecases.deletion import cancel_deletion, get_deletion, request_deletion
from services.accounts.usecases.factors import (
    Holder,
    add_factor,
    confirm_factor,
    count_recovery_codes,
    list_factors,
    remove_all_factors,
    remove_factor,
    renew_recovery_codes,
)
from services.accounts.usecases.mailing import begin_mail, find_recipient, finish_mail
from services.accounts.usecases.passwords import change_password, check_login, check_own_password, request_reset
from services.accounts.usecases.profiles import ProfileChange, update_profile
from services.accounts.usecases.registration import SignUp, resend_verification, sign_up, verify_email
from services.accounts.usecases.resets import reset_password
from services.accounts.usecases.retention import prune
from services.accounts.usecases.sessions import (
    Challenge,
    Device,
    Opened,
    open_session,
    reauthenticate,
    revoke_session,
    revoke_sessions,
)
from services.accounts.usecases.standing import project_subscription, read_bought
from services.accounts.usecases.usage import (
    project_plan,
    read_current_usage,
    read_history,
    read_usage_of_month,
    record_usage,
)

__all__ = [
    "Challenge",
    "Device",
    "Holder",
    "KeyRequest",
    "Opened",
    "ProfileChange",
    "SignUp",
    "add_factor",
    "begin_mail",
    "bind_stripe_customer",
    "cancel_deletion",
    "change_password",
    "change_roles",
    "check_login",
    "check_own_password",
    "confirm_factor",
    "count_recovery_codes",
    "count_try",
    "create_admin",
    "create_key",
    "disable_user",
    "enable_user",
    "find_recipient",
    "finish_mail",
    "get_deletion",
    "list_factors",
    "open_session",
    "pass_challenge",
    "project_plan",
    "project_subscription",
    "prune",
    "read_bought",
    "read_current_usage",
    "read_history",
    "read_usage_of_month",
    "reauthenticate",
    "record_usage",
    "remove_all_factors",
    "remove_factor",
    "renew_recovery_codes",
    "request_deletion",
    "request_reset",
    "resend_verification",
    "reset_password",
    "revoke_all_sessions",
    "revoke_key",
    "revoke_session",
    "revoke_sessions",
    "rotate_key",
    "sign_up",
    "update_key",
    "update_profile",
    "verify_email",
]
