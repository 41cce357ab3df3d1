"""Signing up, confirming, logging in and out, and forgotten passwords. No answer tells whether an address is known."""

import re
import time
from typing import Annotated

from fastapi import Cookie, Response

from services.accounts import repository, usecases
from services.accounts.addresses import normalised
from services.accounts.endpoints.dependencies import (
    Accounts,
    From,
    InAccounts,
    Origin,
    QuietPace,
    Revoking,
    account_key,
)
from services.accounts.errors import LinkUsedOrExpired
from services.accounts.password_policy import check_password
from services.accounts.schemas import (
    CheckEmail,
    EmailBody,
    LoginBody,
    LoginRead,
    PasswordBody,
    ResetBody,
    SecondFactorBody,
    SecondFactorNeeded,
    SignupBody,
    TokenBody,
    UserRead,
)
from services.accounts.settings import AccountsSettings
from services.accounts.tokens import digest, new_device_token
from services.accounts.usecases.passwords import Checked
from services.accounts.usecases.sessions import Device
from services.accounts.verification import expired_cookie
from shared.errors import Forbidden
from shared.identity import Caller
from shared.routing import Router, public, user

DAY_SECONDS = 24 * 3600
SLOW_DOWN = "Too many tries. Please wait a little."
REFERRAL_COOKIE = re.compile(r"(?P<code>[A-Za-z0-9_-]{1,64})(\.(?P<click>[A-Za-z0-9_-]{1,64}))?")

router = Router(tags=["authentication"])


@router.post("/v1/auth/signup", access=public, status_code=202)
async def sign_up(
    body: SignupBody, accounts: InAccounts, origin: From, atelier_ref: Annotated[str | None, Cookie()] = None
) -> CheckEmail:
    pace = QuietPace(accounts.settings.quiet_answer_seconds)
    email = normalised(body.email)
    check_password(body.password, email=email)
    await accounts.limit(SLOW_DOWN, signup_network=origin.network)
    may_mail = await accounts.within("mail_account", account_key(email))
    code, click_id = _referral(body.referral_code, atelier_ref)
    wanted = usecases.SignUp(
        email=body.email,
        password_hash=await accounts.parts.hasher.hash(body.password),
        display_name=body.display_name,
        referral_code=code,
        referral_click_id=click_id,
    )
    async with accounts.runtime.database.write() as session:
        await usecases.sign_up(session, wanted, now=accounts.now, may_mail=may_mail)
    await pace.keep()
    return CheckEmail()


def _referral(code: str | None, cookie: str | None) -> tuple[str | None, str | None]:
    """The code typed in wins over the one in the cookie `<code>.<click_id>`, whose click then does not count."""
    if code:
        return code, None
    found = REFERRAL_COOKIE.fullmatch(cookie or "")
    return (found["code"], found["click"]) if found else (None, None)


@router.post("/v1/auth/verify", access=public, status_code=204)
async def verify_email(body: TokenBody, accounts: InAccounts, origin: From, session: Revoking) -> None:
    await accounts.limit(SLOW_DOWN, token_network=origin.network)
    secret = accounts.settings.fingerprint_secret
    await usecases.verify_email(session, body.token, now=accounts.now, fingerprint_secret=secret)


@router.post("/v1/auth/verify/resend", access=public, status_code=202)
async def resend_verification(body: EmailBody, accounts: InAccounts, origin: From) -> CheckEmail:
    pace = QuietPace(accounts.settings.quiet_answer_seconds)
    await _limit_mail(accounts, origin, body.email)
    async with accounts.runtime.database.write() as session:
        await usecases.resend_verification(session, body.email)
    await pace.keep()
    return CheckEmail()


@router.post("/v1/auth/password/forgot", access=public, status_code=202)
async def request_reset(body: EmailBody, accounts: InAccounts, origin: From) -> CheckEmail:
    pace = QuietPace(accounts.settings.quiet_answer_seconds)
    await _limit_mail(accounts, origin, body.email)
    async with accounts.runtime.database.write() as session:
        await usecases.request_reset(session, body.email)
    await pace.keep()
    return CheckEmail()


async def _limit_mail(accounts: Accounts, origin: Origin, email: str) -> None:
    """Counted by what was typed, known or not, so that the limit gives nothing away either."""
    await accounts.limit(SLOW_DOWN, mail_network=origin.network, mail_account=account_key(normalised(email)))


@router.post("/v1/auth/password/reset", access=public, status_code=204)
async def reset_password(body: ResetBody, accounts: InAccounts, origin: From) -> None:
    """Signs nobody in, and everybody out."""
    await accounts.limit(SLOW_DOWN, token_network=origin.network)
    new_hash = await _hash_for_owner(accounts, body)
    secret = accounts.settings.fingerprint_secret
    async with accounts.revoking() as session:
        await usecases.reset_password(session, body.token, new_hash, now=accounts.now, fingerprint_secret=secret)


async def _hash_for_owner(accounts: Accounts, body: ResetBody) -> str:
    """The new password's hash; a dead link or a bad password uses nothing up, and no connection waits for the hash."""
    async with accounts.runtime.database.read() as session:
        owner = await repository.find_token_owner(session, digest(body.token), "reset", accounts.now)
    if owner is None:
        raise LinkUsedOrExpired
    check_password(body.password, email=owner.email)
    return await accounts.parts.hasher.hash(body.password)


@router.post("/v1/auth/login", access=public)
async def log_in(
    body: LoginBody, accounts: InAccounts, origin: From, response: Response
) -> LoginRead | SecondFactorNeeded:
    """With a second factor the password opens nothing yet: its code follows at `/v1/auth/login/2fa`."""
    email = normalised(body.email)
    await _limit_login(accounts, origin, email)
    checked = await usecases.check_login(accounts.runtime.database, accounts.parts.hasher, email, body.password)
    return await _open_session(accounts, origin, checked, response)


@router.post("/v1/auth/login/2fa", access=public)
async def log_in_with_code(
    body: SecondFactorBody, accounts: InAccounts, origin: From, response: Response
) -> LoginRead | SecondFactorNeeded:
    """A code of the authenticator app or a recovery code; each works once, and a login bears five tries."""
    await accounts.limit(SLOW_DOWN, token_network=origin.network)
    database, now = accounts.runtime.database, accounts.now
    await usecases.count_try(database, body.login_token, now)
    async with database.write() as session:
        checked = await usecases.pass_challenge(
            session, body.login_token, body.code, seeds=accounts.parts.seeds, moment=time.time(), now=now
        )
    return await _open_session(accounts, origin, checked, response, proved_factor=True)


async def _open_session(
    accounts: Accounts, origin: Origin, checked: Checked, response: Response, *, proved_factor: bool = False
) -> LoginRead | SecondFactorNeeded:
    device = Device(origin.device.ip, origin.device.user_agent, origin.device.token or new_device_token())
    database, settings, now = accounts.runtime.database, accounts.settings, accounts.now
    opened = await usecases.open_session(
        database, checked, device, now=now, settings=settings, proved_factor=proved_factor
    )
    if isinstance(opened, usecases.Challenge):
        return SecondFactorNeeded(login_token=opened.token)
    _set_cookies(response, settings, opened, device)
    user = UserRead.model_validate(opened.user)
    return LoginRead(session_token=opened.token, user=user, expires_at=opened.expires_at)


async def _limit_login(accounts: Accounts, origin: Origin, email: str) -> None:
    """Strangers use up an account's tries without locking its owner out: a browser the owner signed in from has tries
    of its own."""
    account, network, token = account_key(email), origin.network, origin.device.token
    keys = {"login_account_network": f"{account}:{network}", "login_account": account}
    if token and await _knows_device(accounts, email, token):
        keys = {"login_device": f"{account}:{account_key(token)}"}
    await accounts.limit(SLOW_DOWN, login_network=network, **keys)


async def _knows_device(accounts: Accounts, email: str, token: str) -> bool:
    async with accounts.runtime.database.read() as session:
        return await repository.knows_device(session, email, digest(token))


def _set_cookies(response: Response, settings: AccountsSettings, opened: usecases.Opened, device: Device) -> None:
    for name, value, max_age in (
        (settings.cookie_name, opened.token, settings.session_absolute_days * DAY_SECONDS),
        (settings.device_cookie_name, device.token or "", 365 * DAY_SECONDS),
    ):
        response.set_cookie(
            name, value, max_age=max_age, path="/", secure=settings.is_secure, httponly=True, samesite="lax"
        )


@router.post("/v1/auth/logout", access=user(unverified=True), status_code=204)
async def log_out(caller: Caller, accounts: InAccounts, session: Revoking, response: Response) -> None:
    if caller.session_id is None:
        raise Forbidden("API keys can't do this.")
    await usecases.revoke_session(session, caller.user_id, caller.session_id, reason="logout", now=accounts.now)
    response.headers["Set-Cookie"] = expired_cookie(accounts.settings)


@router.post("/v1/auth/reauth", access=user(), status_code=204)
async def reauthenticate(body: PasswordBody, caller: Caller, accounts: InAccounts) -> None:
    """Proves the password again, for the routes that ask for it within ten minutes."""
    if caller.session_id is None:
        raise Forbidden("API keys can't do this.")
    await accounts.limit(SLOW_DOWN, login_account=str(caller.user_id))
    checked = await usecases.check_own_password(
        accounts.runtime.database, accounts.parts.hasher, caller.user_id, body.password
    )
    async with accounts.revoking() as session:
        await usecases.reauthenticate(session, checked, caller.session_id, now=accounts.now)
