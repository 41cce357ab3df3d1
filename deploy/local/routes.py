"""Which service owns a path: the manifests' patterns, compiled once, the most specific first."""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from shared.service import Service

HIDDEN = ("/_verify", "/internal", "/livez", "/readyz", "/metrics")


class RouteTable:
    def __init__(self, services: Iterable[Service]) -> None:
        patterns = [(pattern, service.name) for service in services for pattern in service.paths]
        by_length = sorted(patterns, key=lambda entry: -len(entry[0]))
        self._routes = [(re.compile(_expression(pattern)), name) for pattern, name in by_length]

    def owner_of(self, path: str) -> str | None:
        """The service that owns the path, or None. Paths that are not plain belong to nobody."""
        if not is_plain(path):
            return None
        return next((name for expression, name in self._routes if expression.fullmatch(path)), None)


def _expression(pattern: str) -> str:
    """`/v1/me*` is `/v1/me` and what lies below it; `/v1/x/*` likewise; `{code}` is one segment."""
    if pattern.endswith("*"):
        return re.escape(pattern[:-1].rstrip("/")) + r"(/.*)?"
    return re.sub(r"\\\{[^/]+\\\}", r"[^/]+", re.escape(pattern))


def is_plain(path: str) -> bool:
    """No dot segments, empty segments, backslashes or control characters, and nothing of ours that is internal."""
    if "//" in path or "\\" in path or any(ord(character) < ord(" ") for character in path):
        return False
    if any(part in {".", ".."} for part in path.split("/")):
        return False
    folded = unquote(path).lower()
    return not any(f"{folded}/".startswith(f"{hidden}/") or f"{hidden}/" in f"{folded}/" for hidden in HIDDEN)
