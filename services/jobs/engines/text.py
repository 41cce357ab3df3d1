"""From raw user text to the atoms that line breaking may not split, with a face chosen for every character."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from services.jobs.engines import emoji, fonts

_JOINERS = "\u200c\u200d"
_MAX_MARKS = 3  # Real scripts stack two or three marks; towers of them are decoration that would leave its box.
_NEVER_FIRST = set("、。，．・：；？！）〕］｝〉》」』】’”％‰°℃ゝゞ々ー…‥,.!?:;)]}%»›'\"")
_NEVER_LAST = set("（〔［｛〈《「『【‘“([{«‹¿¡$€£¥#@")
# Legacy code points for shaped letters and whole phrases; shaping makes better ones, and some overflow the rasteriser.
_ARABIC_FORMS = re.compile("[\ufb50-\ufdff\ufe70-\ufefc]")
_BISMILLAH = ("\ufdfd", "بسم الله الرحمن الرحيم")  # The one such phrase that Unicode does not decompose.
_BREAK_AFTER = set("-‐–—/|")
_LAST_HYPHENATING = 0x052F  # End of the Cyrillic supplement.


@dataclass(frozen=True)
class Cluster:
    """What the eye takes for one character. `emoji` is its key in the emoji set, else `face` draws it."""

    text: str
    face: str
    emoji: str | None = None


@dataclass(frozen=True)
class Atom:
    """Clusters that stay on one line; `spaced` says that a space parts it from the one before."""

    clusters: tuple[Cluster, ...]
    spaced: bool


def clean(text: str) -> str:
    """Composed, without control and private characters; line breaks survive, other blanks become one space."""
    plain = _ARABIC_FORMS.sub(lambda form: unicodedata.normalize("NFKC", form[0]), text.replace(*_BISMILLAH))
    lines = unicodedata.normalize("NFC", plain).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    tidied = (" ".join("".join(_visible(line)).split()) for line in lines)
    return "\n".join(line for line in tidied if line)


def _visible(line: str) -> Iterator[str]:
    marks = 0
    for character in line:
        category = unicodedata.category(character)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category in ("Zs", "Zl", "Zp", "Cc"):
            yield " "
        elif marks > _MAX_MARKS and character != emoji.EMOJI_STYLE:
            continue
        elif not category.startswith("C") or character in _JOINERS or 0xE0020 <= ord(character) <= 0xE007F:
            yield character


def clusters(line: str, face: str) -> Iterator[Cluster]:
    index = 0
    while index < len(line):
        found = emoji.match(line, index)
        if found:
            key, end = found
            yield Cluster(line[index:end], "", key)
        else:
            end = _cluster_end(line, index)
            yield from _plain(line[index:end], face)
        index = end


def _cluster_end(line: str, start: int) -> int:
    end = start + 1
    while end < len(line) and (unicodedata.category(line[end]).startswith("M") or line[end] in _JOINERS):
        end += 1
    return end


def _plain(text: str, face: str) -> Iterator[Cluster]:
    shown = "".join(character for character in text if not _is_selector(character))
    if not shown or unicodedata.category(shown[0]) == "Cf":
        return
    chosen = fonts.face_for(shown, face)
    yield Cluster(shown, chosen, None) if chosen else Cluster(fonts.REPLACEMENT, "sans", None)


def _is_selector(character: str) -> bool:
    return 0xFE00 <= ord(character) <= 0xFE0F or ord(character) >= 0xE0000


def atoms(line: str, face: str, *, split_words: bool = False) -> list[Atom]:
    """The line's atoms in reading order. `split_words` makes every cluster its own, the last resort."""
    done: list[Atom] = []
    current: list[Cluster] = []
    spaced = spaced_next = False
    for cluster in clusters(line, face):
        if cluster.text == " ":
            spaced_next = True
            continue
        if current and (spaced_next or split_words or _may_break(current[-1], cluster)):
            done.append(Atom(tuple(current), spaced))
            current, spaced = [], spaced_next
        spaced_next = False
        current.append(cluster)
    return [*done, Atom(tuple(current), spaced)] if current else done


def _may_break(before: Cluster, after: Cluster) -> bool:
    if after.text[0] in _NEVER_FIRST or before.text[-1] in _NEVER_LAST:
        return False
    if before.text in _BREAK_AFTER and after.text not in _BREAK_AFTER:
        return True
    return any(cluster.emoji or _is_ideograph(cluster.text) for cluster in (before, after))


def _is_ideograph(text: str) -> bool:
    code = ord(text[0])
    return (
        0x2E80 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF
    )


def joined(line: list[Atom]) -> list[Cluster]:
    """The clusters of one line with the spaces put back between atoms, none at its start."""
    out: list[Cluster] = []
    for atom in line:
        if atom.spaced and out:
            out.append(Cluster(" ", "", None))
        out.extend(atom.clusters)
    return out


def missing(text: str) -> list[str]:
    """Characters that no face of ours has; they are drawn as the replacement character."""
    drawn = [cluster for line in clean(text).split("\n") for cluster in clusters(line, "sans")]
    return [] if all(cluster.text != fonts.REPLACEMENT for cluster in drawn) else _uncovered(text)


def _uncovered(text: str) -> list[str]:
    letters = {letter for letter in clean(text) if not letter.isspace() and letter not in _JOINERS}
    return sorted(letter for letter in letters if not _is_selector(letter) and fonts.face_for(letter, "sans") is None)


def is_inside_word(before: Cluster, after: Cluster) -> bool:
    """Whether a break here would cut a word of an alphabet that hyphenates: Latin, Greek or Cyrillic."""
    letters = (before.text[0], after.text[0])
    return all(letter.isalpha() and ord(letter) <= _LAST_HYPHENATING for letter in letters)
