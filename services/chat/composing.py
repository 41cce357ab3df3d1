"""From what was found to what is said. The local assistant retrieves and quotes; it does not make anything up."""

import re
from dataclasses import dataclass
from typing import Any

from services.chat.retrieval.embedding import MODEL
from services.chat.retrieval.index import CITED_WITHIN, Finding, Hit

PROVIDER = "local"
LOCAL_MODEL = f"faq/{MODEL}"

DONT_KNOW = (
    "I don't know that. I can only answer from the help articles of this studio, and none of them fits your question. "
    "Try other words, ask in the forum, or write to support."
)
_PIECE = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Answer:
    """`citations` are the sources, best first; `reason` is `answered` or `unknown`."""

    text: str
    citations: tuple[dict[str, Any], ...]
    reason: str

    @property
    def pieces(self) -> list[str]:
        """The text word by word; joined they are the text."""
        return _PIECE.findall(self.text)


def compose(finding: Finding, own: str = "") -> Answer:
    """What was found of the asker's own, then the best item's answer with its sources, or an honest admission."""
    if not finding.answered:
        return Answer(own, (), "answered") if own else Answer(DONT_KNOW, (), "unknown")
    best = finding.hits[0]
    sources = [hit for hit in finding.hits if hit.score >= best.score - CITED_WITHIN]
    text = "\n\n".join(part for part in (own, best.item.answer.strip()) if part)
    return Answer(text, tuple(_citation(hit) for hit in sources), "answered")


def _citation(hit: Hit) -> dict[str, Any]:
    return {"item_id": str(hit.item.item_id), "question": hit.item.question, "score": round(hit.score, 4)}
