"""From timed words to cues that can be read: the rules that broadcasters use, within what the times allow."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.jobs.engines.speech.voices import Word

MAX_SECONDS = 6.0
MIN_SECONDS = 1.0
# Two frames at 24 a second, so that a cue is seen to change.
GAP = 0.084
# A silence of this length ends a cue: what comes then is another thought.
_SILENCE = 0.7
_LINGER = 0.5


@dataclass(frozen=True)
class Rules:
    """Letters in a line, lines in a cue, and letters a second that a viewer can read."""

    line: int = 42
    lines: int = 2
    letters_a_second: float = 17.0


@dataclass(frozen=True)
class Cue:
    """Lines to be read from `start` to `end`, in seconds, and the words they are made of."""

    start: float
    end: float
    lines: tuple[str, ...]
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def cues_of(words: Sequence[Word], rules: Rules, seconds: float) -> list[Cue]:
    """The cues of a film of so many seconds, none over another."""
    groups = [part for group in _groups(words, rules) for part in _fitting(group, rules)]
    made: list[Cue] = []
    for index, group in enumerate(groups):
        until = groups[index + 1][0].start - GAP if index + 1 < len(groups) else seconds
        after = made[-1].end + GAP if made else 0.0
        start = max(group[0].start, after)
        end = max(start + 0.05, min(until, max(group[-1].end + _LINGER, start + _readable(group, rules))))
        lines = balanced([word.text for word in group], rules.line)
        made.append(Cue(round(start, 3), round(end, 3), tuple(lines), tuple(group)))
    return made


def _readable(group: Sequence[Word], rules: Rules) -> float:
    return max(MIN_SECONDS, _length(group) / rules.letters_a_second)


def _groups(words: Sequence[Word], rules: Rules) -> list[list[Word]]:
    """Words that belong together: no cue goes on through the end of a sentence or through a silence."""
    groups: list[list[Word]] = []
    for word in words:
        if not groups or _begins(groups[-1], word, rules):
            groups.append([])
        groups[-1].append(word)
    return groups


def _begins(group: list[Word], word: Word, rules: Rules) -> bool:
    last = group[-1]
    if word.start - last.end > _SILENCE or word.end - group[0].start > MAX_SECONDS:
        return True
    ends = last.text.rstrip("\"'”’»)]").endswith((".", "!", "?", "…"))
    # Two short sentences may share a cue: one that is gone at once can't be read.
    return ends and (word.sentence != last.sentence or _length(group) > rules.line / 2)


def _fitting(group: list[Word], rules: Rules) -> list[list[Word]]:
    """The group in as few cues as hold it, cut where a comma is or near the middle."""
    if len(balanced([word.text for word in group], rules.line)) <= rules.lines or len(group) == 1:
        return [group]
    cut = min(range(1, len(group)), key=lambda place: _cost(group, place))
    return [*_fitting(group[:cut], rules), *_fitting(group[cut:], rules)]


def _cost(group: list[Word], place: int) -> float:
    uneven = abs(_length(group[:place]) - _length(group[place:])) / _length(group)
    pause = group[place].start - group[place - 1].end
    return uneven - 0.35 * group[place - 1].text.endswith((",", ";", ":")) - min(0.5, pause)


def _length(words: Sequence[Word]) -> int:
    return sum(len(word.text) + 1 for word in words) - 1


def balanced(words: Sequence[str], width: int) -> list[str]:
    """As few lines as `width` letters need, as even as can be. A word that is longer than a line stands alone."""
    fewest = _broken(words, width)
    for narrower in range(max(map(len, words)), width):
        tried = _broken(words, narrower)
        if len(tried) <= len(fewest):
            return tried
    return fewest


def _broken(words: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
