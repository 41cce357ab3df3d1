"""Text that people write: slugs for addresses, and Markdown made safe without blocking others."""

import asyncio
import re
import unicodedata

from services.community.markdown import Rendered, render

SLUG_LENGTH = 80


def slug_of(title: str) -> str:
    """A title as part of an address: lower-case ASCII words with hyphens, never empty."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    return words[:SLUG_LENGTH].rstrip("-") or "untitled"


async def rendered(source: str, limit: int) -> Rendered:
    """The source as safe HTML, in a thread. Raises a Problem for text past the caps of length, links or nesting."""
    return await asyncio.to_thread(render, source, limit=limit)
