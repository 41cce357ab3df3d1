"""Captions set into their places on a picture of any width, and what is said about them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from services.jobs.engines import emoji, text, typeset
from services.jobs.engines.memes.templates import Slot
from services.jobs.engines.protocol import InvalidInput
from services.jobs.engines.typeset import Block

_DRAWN_WIDTH = 1080  # Of the pictures for which the slots' sizes of letters are given.


def lettered(caption: str, slot: Slot, size: tuple[int, int]) -> Block:
    """Raises InvalidInput for a caption that would be too small to read."""
    block = typeset.typeset(caption, slot.within(*size), _scaled(slot, size[0]))
    if block is None:
        raise InvalidInput("A caption is too long to be readable in its place.", "INPUT_TOO_LARGE")
    return block


def _scaled(slot: Slot, width: int) -> typeset.Style:
    scale = width / _DRAWN_WIDTH
    return replace(slot.style, largest=max(12, round(slot.style.largest * scale)), smallest=max(3, round(6 * scale)))


def report(layout: str, template: str | None, captions: Sequence[str], blocks: Sequence[Block]) -> dict[str, Any]:
    """What the result says of the captions; `blocks` are those that have words."""
    has_emoji = any(emoji.match(caption, index) for caption in captions for index in range(len(caption)))
    return {
        "layout": layout,
        "template": template,
        "captions": list(captions),
        "text_sizes": [block.size for block in blocks],
        "missing_characters": sorted({letter for caption in captions for letter in text.missing(caption)}),
        "credits": ["Emoji: Twemoji, CC BY 4.0"] if has_emoji else [],
    }
