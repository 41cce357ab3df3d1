"""Markdown made safe: parsed without raw HTML, then reduced to an allow-list; the caps keep parsing quick.

Source and result are both stored with RENDERER_VERSION, so that a better renderer can go over what is there.
"""

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from markdown_it.utils import OptionsDict

from shared.errors import Unprocessable

RENDERER_VERSION = 1
MAX_LINKS = 100
MAX_NESTING = 20
MAX_MENTIONS = 10
# Runs of one delimiter are what makes Markdown parsers slow; no honest text has so many.
MAX_RUN = 200
RUN = re.compile(rf"([*_`\[\]<>~!(])\1{{{MAX_RUN},}}")
QUOTES = re.compile(rf"^(?:[ \t]*>){{{MAX_NESTING + 1},}}", re.MULTILINE)
MAX_BRACKETS = 1000
# A list item makes five tokens and a table's cell three, so this is more than honest texts of 50,000 characters have.
MAX_BLOCK_TOKENS = 15_000
MENTION = re.compile(r"(?<![\w@/])@([A-Za-z0-9][A-Za-z0-9_-]{1,38})")

TAGS = {
    "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol",
    "li", "a", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
# The style of a cell is reduced to how its text is aligned.
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}, "th": {"style"}, "td": {"style"}}
STYLES = {"text-align"}
SCHEMES = {"http", "https", "mailto"}
LINK_RELATION = "nofollow ugc noopener"


class TextTooLong(Unprocessable):
    code, title = "text_too_long", "The text is too long"


class TextTooComplex(Unprocessable):
    code, title = "text_too_complex", "The text has too many parts or links, or is nested too deeply"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Safe HTML, the handles mentioned (without @, at most ten), and how many links there are."""

    html: str
    mentions: tuple[str, ...]
    link_count: int


def render(source: str, *, limit: int) -> Rendered:
    """Render at most `limit` characters. Raises TextTooLong, TextTooComplex."""
    if len(source) > limit:
        raise TextTooLong(f"At most {limit} characters are allowed.")
    if RUN.search(source) or QUOTES.search(source) or source.count("[") > MAX_BRACKETS:
        raise TextTooComplex
    tokens = _parser().parse(source)
    if max((token.level for token in tokens), default=0) > MAX_NESTING * 2:
        raise TextTooComplex
    inline = [child for token in tokens for child in token.children or ()]
    links = sum(1 for token in inline if token.type in {"link_open", "image"})
    if links > MAX_LINKS:
        raise TextTooComplex
    raw = _parser().renderer.render(tokens, _parser().options, {})
    return Rendered(_clean(raw), _mentions(inline), links)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # linkify stays off for its quadratic time; raw HTML is text.
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": MAX_NESTING}).enable("table")
    parser.block.ruler.before(
        "table", "budget", _refuse_excess, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.add_render_rule("image", _link_to_image)
    return parser


def _refuse_excess(state: StateBlock, _start: int, _end: int, _silent: bool) -> bool:  # noqa: FBT001 - a rule
    """Stop while parsing, since a small text can make a table of very many cells."""
    if len(state.tokens) > MAX_BLOCK_TOKENS:
        raise TextTooComplex
    return False


def _link_to_image(
    renderer: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: OptionsDict,
    env: MutableMapping[str, Any],
) -> str:
    """Pictures are linked, not shown: loading one would tell its host who reads the page."""
    token = tokens[index]
    address = escapeHtml(str(token.attrGet("src") or ""))
    words = renderer.renderInlineAsText(token.children, options, env) or str(token.attrGet("src"))
    return f'<a href="{address}">{escapeHtml(words)}</a>'


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes=SCHEMES,
        link_rel=LINK_RELATION,
        filter_style_properties=STYLES,
    )


def _mentions(inline: list[Token]) -> tuple[str, ...]:
    """Handles in plain text only: what stands in code or in a link's address mentions nobody."""
    found: dict[str, None] = {}
    for token in inline:
        if token.type == "text":
            found |= dict.fromkeys(match.group(1).lower() for match in MENTION.finditer(token.content))
    return tuple(found)[:MAX_MENTIONS]
