"""Each decision has one number and one page that names what was weighed and what enforces it."""

import re
from pathlib import Path

import pytest

DECISIONS = sorted((Path(__file__).parents[2] / "docs" / "adr").glob("*.md"))


def test_decisions_are_numbered_one_after_the_other():
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_with_its_alternatives_and_what_enforces_it(path):
    text = path.read_text()
    assert text.startswith(f"# {path.name[:4]}: ")
    assert re.search(r"^## Decision$", text, re.MULTILINE)
    assert re.search(r"^## (The alternative|Alternatives)$", text, re.MULTILINE)
    assert re.search(r"^## What enforces it$", text, re.MULTILINE)
    assert len(text.splitlines()) < 60
