"""The FAQ in memory, ranked by meaning and by words, and the decision whether any of it answers the question.

A few thousand items are one matrix; a vector database would only add a network in between.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from services.chat.retrieval.classifier import Classifier
from services.chat.retrieval.embedding import Matrix
from services.chat.retrieval.phrasings import known_phrasings

# What the best full-text match gains on meaning; the second gains half of it. It settles near ties and exact names,
# while a question's common words, which any item may share, can't outweigh what it means.
WORDS_WEIGHT = 0.05
LOCALE_WEIGHT = 0.02
# How far the best item must be ahead of talk that no item answers; chosen by cross-validation too.
ENOUGH_LEAD = 0.25
MOST_SENTENCES = 12
MOST_CITATIONS = 3
CITED_WITHIN = 0.12

_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+")

# A text and its unit vector.
Vectors = Mapping[str, Matrix]


@dataclass(frozen=True, slots=True)
class Item:
    item_id: UUID
    version: int
    locale: str
    question: str
    answer: str

    @property
    def examples(self) -> list[str]:
        """What a question for this item sounds like: the ways in which it is asked, or else all that it says itself."""
        if asked := known_phrasings().asked.get(self.question):
            return [self.question, *asked]
        sentences = [sentence for sentence in _SENTENCE_END.split(self.answer) if sentence][:MOST_SENTENCES]
        return [self.question, f"{self.question} {self.answer}", *sentences]


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` is the similarity of meaning, from -1 to 1."""

    item: Item
    score: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The best items, best first; `answered` is false when even the best does not answer the question."""

    hits: tuple[Hit, ...]
    answered: bool


def texts_of(items: Sequence[Item]) -> list[str]:
    """All that must be embedded before these items can be searched."""
    return list(dict.fromkeys([text for item in items for text in item.examples] + known_phrasings().off_topic))


class Index:
    """Immutable once made, so that threads may search it while the next one is being made."""

    def __init__(self, items: Sequence[Item], vectors: Vectors) -> None:
        """`vectors` holds at least what `texts_of` names. CPU bound, about 20 ms."""
        self.items = tuple(items)
        classes = [*(item.examples for item in items), known_phrasings().off_topic]
        self._classifier = Classifier([np.stack([vectors[text] for text in texts]) for texts in classes])

    def search(self, question: Matrix, by_words: Sequence[UUID] = (), *, locale: str = "en") -> Finding:
        """The items that answer best. `by_words` is the full-text ranking, best first."""
        if not self.items:
            return Finding((), answered=False)
        scores, near = self._classifier.scores(question), self._classifier.similarities(question)
        places = sorted(range(len(self.items)), key=lambda i: (-self._fused(i, scores, by_words, locale), i))
        hits = [Hit(self.items[i], float(near[i])) for i in places[:MOST_CITATIONS]]
        return Finding(tuple(hits), answered=bool(scores[places[0]] - scores[-1] > ENOUGH_LEAD))

    def _fused(self, place: int, scores: Matrix, by_words: Sequence[UUID], locale: str) -> float:
        item = self.items[place]
        fused = float(scores[place])
        if item.item_id in by_words:
            fused += WORDS_WEIGHT / (1 + by_words.index(item.item_id))
        return fused + (LOCALE_WEIGHT if item.locale[:2] == locale[:2] else 0)
