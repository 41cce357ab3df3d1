"""The FAQ in memory, ranked by meaning and by words, and the decision whether any of it answers the question.

A few thousand items are one matrix; a vector database would only add a network in between.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from services.chat.retrieval.embedding import Encoder, Matrix
from services.chat.retrieval.vocabulary import widened

# What the best full-text match gains on meaning; the second gains half of it. It settles near ties and exact names,
# while a question's common words, which any item may share, can't outweigh what it means.
WORDS_WEIGHT = 0.05
LOCALE_WEIGHT = 0.02
# Tuned on the development questions of the tests, never on those that the evaluation asks.
ENOUGH_SIMILARITY = 0.26
ENOUGH_WITH_WORDS = 0.20
WHOLE = 3
MOST_SENTENCES = 12
MOST_CITATIONS = 3
CITED_WITHIN = 0.12

_SENTENCE_END = re.compile(r"(?<=[.!?;:])\s+")
_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True, slots=True)
class Item:
    item_id: UUID
    version: int
    locale: str
    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Hit:
    """`score` is the similarity of meaning, from -1 to 1; it is what the threshold looks at."""

    item: Item
    score: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The best items, best first; `answered` is false when even the best does not answer the question."""

    hits: tuple[Hit, ...]
    answered: bool


class Index:
    """Immutable once made, so that threads may search it while the next one is being made."""

    def __init__(self, encoder: Encoder, items: Sequence[Item] = (), previous: "Index | None" = None) -> None:
        self._encoder = encoder
        self.items = tuple(items)
        known = previous.vectors if previous else {}
        self.vectors: dict[tuple[UUID, int], Matrix] = {}
        for item in items:
            key = item.item_id, item.version
            self.vectors[key] = known[key] if key in known else self._vectors_of(item)

    def _vectors_of(self, item: Item) -> Matrix:
        """The item as a whole, in its three readings, and each of its answer's sentences."""
        sentences = [sentence for sentence in _SENTENCE_END.split(item.answer) if sentence][:MOST_SENTENCES]
        return self._encoder.encode([item.question, f"{item.question} {item.answer}", item.answer, *sentences])

    def search(self, question: str, by_words: Sequence[UUID] = (), *, locale: str = "en") -> Finding:
        """The items that answer best. `by_words` is the full-text ranking, best first. CPU bound, about 15 ms."""
        if not self.items:
            return Finding((), answered=False)
        vector = self._encoder.encode([widened(question)])[0]
        scores = np.array([_similarity(self.vectors[item.item_id, item.version] @ vector) for item in self.items])
        places = sorted(range(len(self.items)), key=lambda i: (-self._fused(i, scores, by_words, locale), i))
        hits = [Hit(self.items[i], float(scores[i])) for i in places[:MOST_CITATIONS]]
        return Finding(tuple(hits), answered=_is_answer(question, hits[0]))

    def _fused(self, place: int, scores: Matrix, by_words: Sequence[UUID], locale: str) -> float:
        item = self.items[place]
        fused = float(scores[place])
        if item.item_id in by_words:
            fused += WORDS_WEIGHT / (1 + by_words.index(item.item_id))
        return fused + (LOCALE_WEIGHT if item.locale[:2] == locale[:2] else 0)


def _similarity(parts: Matrix) -> float:
    """Question, both together, answer, and the best sentence of the answer: a quarter each."""
    return float(parts[:WHOLE].sum() + parts[WHOLE:].max(initial=0)) / (WHOLE + 1)


def _is_answer(question: str, best: Hit) -> bool:
    """Shared words are weak evidence of their own: they lower what meaning has to prove."""
    shares = _words(question) & _words(best.item.question)
    return best.score >= (ENOUGH_WITH_WORDS if shares else ENOUGH_SIMILARITY)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)} - _COMMON


_COMMON = frozenset(
    [
        "and",
        "are",
        "can",
        "did",
        "does",
        "for",
        "from",
        "get",
        "have",
        "how",
        "into",
        "not",
        "that",
        "the",
        "there",
        "they",
        "this",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "our",
        "out",
        "its",
        "has",
        "had",
        "been",
        "about",
    ]
)
