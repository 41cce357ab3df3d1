"""What accounts refuses, each under its own code."""

from shared.errors import BadRequest, Conflict, Forbidden, Gone, NotFound, Unauthorized, Unprocessable


class CredentialsRejected(Unauthorized):
    """One answer for an unknown address, a wrong password and a closed account."""

    code, title = "credentials_rejected", "The address or the password is not right"


class CredentialInvalid(Unauthorized):
    code, title = "credential_invalid", "This session or key is not valid"


class TwoCredentials(BadRequest):
    code, title = "two_credentials", "Send one credential, not two"


class CrossOrigin(Forbidden):
    code, title = "cross_origin", "Another site may not act for you"


class LinkUsedOrExpired(Gone):
    code, title = "link_used_or_expired", "This link was used already or has expired"


class PasswordWrong(Forbidden):
    code, title = "password_wrong", "The password is not right"


class PasswordRefused(Unprocessable):
    code, title = "password_refused", "Choose another password"

    def __init__(self, field: str, reason: str, detail: str) -> None:
        super().__init__(detail, errors=[{"field": field, "code": reason, "detail": detail}])


class LoginExpired(Unauthorized):
    """The same for a login that never began."""

    code, title = "login_expired", "Log in again: this login took too long or too many tries"


class CodeRejected(Unauthorized):
    code, title = "code_rejected", "The code is not right, or was used already"


class SecondFactorRequired(Forbidden):
    code, title = "second_factor_required", "Log in with your second factor to do this"


class NoSecondFactor(Conflict):
    code, title = "no_second_factor", "Add a second factor first"


class FactorConfirmed(Conflict):
    code, title = "factor_confirmed", "This factor is in use already"


class TooManyFactors(Conflict):
    code, title = "too_many_factors", "Remove a factor before you add another"


class FactorNotFound(NotFound):
    code, title = "factor_not_found", "There is no such factor"


class HandleTaken(Conflict):
    code, title = "handle_taken", "Somebody else has this handle"


class TooManyKeys(Conflict):
    code, title = "too_many_keys", "Revoke a key before you make another"


class ScopeNotYours(Forbidden):
    code, title = "scope_not_grantable", "You may not grant this scope"


class NotOnYourself(Conflict):
    code, title = "not_on_yourself", "Another administrator has to do this to you"


class DeletionUnderWay(Conflict):
    code, title = "deletion_under_way", "The account is being erased, which can't be taken back"


class DeletionNotFound(NotFound):
    code, title = "deletion_not_found", "Nobody asked for this account to be deleted"


class UserNotFound(NotFound):
    code, title = "user_not_found", "There is no such user"


class SessionNotFound(NotFound):
    code, title = "session_not_found", "There is no such session"


class KeyNotFound(NotFound):
    code, title = "api_key_not_found", "There is no such API key"
