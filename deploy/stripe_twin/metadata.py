"""Stripe's rules for metadata: merged key by key, an empty value removes."""

from collections.abc import Mapping
from typing import Any

from deploy.stripe_twin.account import Body
from deploy.stripe_twin.errors import invalid

MAX_KEYS, MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 50, 40, 500


def merged(current: Mapping[str, str] | None, given: Any) -> dict[str, str]:
    """`given` is what the request said: a mapping, an empty text that clears all, or None for nothing said."""
    if given == "":
        return {}
    result = dict(current or {}) | dict(given or {})
    result = {key: value for key, value in result.items() if value != ""}
    _check(result)
    return result


def changed(body: Body, params: Body, *plain: str) -> Body:
    """The changes an update asks for: these fields as given, '' meaning null, and metadata merged."""
    changes: Body = {name: None if params[name] == "" else params[name] for name in plain if name in params}
    if "metadata" in params:
        changes["metadata"] = merged(body.get("metadata"), params["metadata"])
    return changes


def _check(metadata: dict[str, str]) -> None:
    if len(metadata) > MAX_KEYS:
        raise invalid(f"You can have at most {MAX_KEYS} metadata keys.", param="metadata")
    for key, value in metadata.items():
        if len(key) > MAX_KEY_LENGTH or len(value) > MAX_VALUE_LENGTH:
            raise invalid(
                f"Metadata keys have at most 40 characters and values at most 500: {key[:50]}", param="metadata"
            )
