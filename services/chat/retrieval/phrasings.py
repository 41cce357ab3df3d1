"""How people ask: other words for the questions that every installation starts with, and talk that no article answers.

The sentence model knows English, not how a studio's customers talk; examples teach it. They belong to an article by its
question, so an article that is rewritten, or written by the installation's own staff, stands on its own words.
"""

from functools import cache
from pathlib import Path

import orjson
from pydantic import BaseModel

FILE = Path(__file__).with_name("phrasings.json")


class Phrasings(BaseModel):
    asked: dict[str, list[str]]
    off_topic: list[str]


@cache
def known_phrasings() -> Phrasings:
    return Phrasings.model_validate(orjson.loads(FILE.read_bytes()))
