"""Reading a prompt: which of its words go on the poster and in what role, and what they call for."""

import re
from dataclasses import dataclass

from services.jobs.engines.text import clean

_REQUEST = re.compile(
    r"^\s*(?:please\s+)?(?:(?:make|create|design|draw|generate|give)\s+(?:me\s+)?)?(?:an?|the|some)?\s*"
    r"(?:[\w-]+\s+){0,3}?(?:poster|flyer|image|picture|cover|banner|card|graphic|story|post|design|illustration)s?"
    r"(?:\s+(?:(?:that\s+)?(?:says?|saying|reads?|reading|with\s+the\s+(?:text|words))|for|about|of|announcing)\s*:?|"
    r"\s*[:\-–—])\s+(?:(?:an?|the|my|our)\s+)?",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“«「『]([^\"”»」』]{2,200})[\"”»」』]")
_CLAUSE = re.compile(r"\s*\|\s*|\n+|(?<=[.!?])\s+|(?<=[。！？])|\s*[;；]\s*|,\s+|[，、]|\s+[–—-]\s+|:\s+|：")
_TITLE_CHARACTERS = 64


@dataclass(frozen=True)
class Copy:
    """What stands on a poster, most important first; any but the title may be empty."""

    title: str
    subtitle: str = ""
    kicker: str = ""
    footer: str = ""


def read(prompt: str) -> Copy:
    """Split a prompt into title, subtitle and footer without losing a word that is meant to be read.

    A leading "make me a poster for" is an order, not copy. Quoted words are the title; otherwise the first clause is.
    ` | ` and line breaks part the roles outright.
    """
    text = clean(prompt)
    quoted = _QUOTED.search(text)
    if quoted:
        rest = _trim(_REQUEST.sub("", text[: quoted.start()] + " " + text[quoted.end() :]))
        return _with_rest(quoted.group(1), _parts(rest))
    parts = _parts(_REQUEST.sub("", text, count=1) or text)
    if not parts:
        return Copy(text)
    title, spill = _short(parts[0])
    return _with_rest(title, [spill, *parts[1:]] if spill else parts[1:])


def _parts(text: str) -> list[str]:
    return [part for part in (_trim(part) for part in _CLAUSE.split(text)) if part]


def _trim(part: str) -> str:
    return part.strip(" \t,.;:，、。；：-–—|").strip()


def _short(clause: str) -> tuple[str, str]:
    """A title that can be set large, and what spills over into the subtitle."""
    if len(clause) <= _TITLE_CHARACTERS:
        return clause, ""
    cut = clause.rfind(" ", 0, _TITLE_CHARACTERS)
    cut = cut if cut > 0 else _TITLE_CHARACTERS // 2
    return clause[:cut].strip(), clause[cut:].strip()


def _with_rest(title: str, parts: list[str]) -> Copy:
    title = title[:1].upper() + title[1:]
    if len(parts) < 2:
        return Copy(title, " ".join(parts))
    return Copy(title, ", ".join(parts[:-1]), footer=parts[-1])


def asked(prompt: str) -> set[str]:
    """Lower-case words of the prompt, and for scripts without spaces its single characters."""
    found = set(re.findall(r"[^\W\d_]+", prompt.lower()))
    singular = {word[:-1] for word in found if word.endswith("s")}
    characters = {letter for letter in prompt if ord(letter) > 0x2E7F}
    pairs = {prompt[index : index + 2] for index in range(len(prompt) - 1) if ord(prompt[index]) > 0x2E7F}
    return found | singular | characters | pairs
