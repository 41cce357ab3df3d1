"""E-mail and network addresses, brought to the form in which equal things are equal."""

import hashlib
import hmac
import ipaddress
import re

import idna

MAX_EMAIL_CHARACTERS = 254
_SHAPE = re.compile(r"[^@\s\x00-\x1f\x7f<>()\[\]\\,;:\"]{1,64}@[^@\s\x00-\x1f\x7f]{3,253}")
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# One mailbox under many spellings: Google ignores dots before the @ and answers to two domains.
_GOOGLE = {"gmail.com", "googlemail.com"}


class NotAnAddress(ValueError):
    """Text that cannot be an e-mail address."""


def normalised(email: str) -> str:
    """The address under which a mailbox is one user. Raises NotAnAddress."""
    typed = email.strip()
    if len(typed) > MAX_EMAIL_CHARACTERS or not _SHAPE.fullmatch(typed):
        raise NotAnAddress("This is not an e-mail address.")
    local, _, domain = typed.casefold().rpartition("@")
    domain = _ascii_domain(domain)
    if domain in _GOOGLE:
        local, domain = local.replace(".", ""), "gmail.com"
    if not local.strip("."):
        raise NotAnAddress("This is not an e-mail address.")
    return f"{local}@{domain}"


def _ascii_domain(domain: str) -> str:
    try:
        ascii_form = idna.encode(domain, uts46=True).decode().rstrip(".")
    except (idna.IDNAError, UnicodeError) as error:
        raise NotAnAddress("The part behind the @ is not a domain.") from error
    labels = ascii_form.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - a name and a zone
        raise NotAnAddress("The part behind the @ is not a domain.")
    return ascii_form


def fingerprint(normalised_email: str, secret: str) -> str:
    """A keyed hash that is equal for all aliases of one mailbox (`ann+shop@…` is `ann@…`) and tells nothing else."""
    local, _, domain = normalised_email.rpartition("@")
    mailbox = f"{local.split('+')[0] or local}@{domain}"
    return hmac.new(secret.encode(), mailbox.encode(), hashlib.sha256).hexdigest()


def network_of(ip: str) -> str:
    """The /24 or /64 an address belongs to: who has one address there usually has them all."""
    try:
        address = ipaddress.ip_address(ip.split("%", maxsplit=1)[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefix = 24 if address.version == 4 else 64  # noqa: PLR2004
    return str(ipaddress.ip_network((address, prefix), strict=False))


def valid_ip(ip: str | None) -> str | None:
    """The address in its plain form, or None for what is none (a socket's name, a test's)."""
    try:
        return str(ipaddress.ip_address((ip or "").split("%")[0]))
    except ValueError:
        return None
