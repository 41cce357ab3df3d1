"""Stripe's form encoding: `items[0][price]=x&expand[]=y` to nested dictionaries of text.

Lists stay dictionaries with numeric keys here, because only the parameter's type tells `metadata[1]` from `items[1]`.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from deploy.stripe_twin.errors import StripeError, invalid

MAX_PAIRS = 1000
MAX_DEPTH = 8
_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


def parse_form(raw: bytes) -> dict[str, Any]:
    """Raises a Stripe-shaped 400 for anything that is not such a form."""
    tree: dict[str, Any] = {}
    for key, value in _pairs(raw):
        _insert(tree, _path(key), value, key)
    return tree


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        text = raw.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
    except ValueError as error:
        raise invalid("The request body is not a valid form in UTF-8.") from error


def _path(key: str) -> list[str]:
    match = _KEY.fullmatch(key)
    if match is None or "\x00" in key:
        raise _malformed(key)
    path = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
    if len(path) > MAX_DEPTH:
        raise _malformed(key)
    return path


def _insert(tree: dict[str, Any], path: list[str], value: str, key: str) -> None:
    node = tree
    for part in path[:-1]:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise _malformed(key)
    leaf = path[-1] or str(len(node))
    if isinstance(node.get(leaf), dict) or "\x00" in value:
        raise _malformed(key)
    node[leaf] = value


def _malformed(key: str) -> StripeError:
    return invalid(f"Invalid parameter name or value: {key[:100]!r}", param=key[:100])
