"""What README and runbook tell operators to type exists."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from deploy.cli.__main__ import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = sorted(
    {
        (page.name, " ".join(words.split()))
        for page in PAGES
        for words in re.findall(r"\./atelier((?: [a-z-]+)+(?: --?[a-z-]+)?)", page.read_text())
    }
)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_in_the_documents_exists_with_its_option(page, command, capfd):
    words = command.split()
    options = [word for word in words if word.startswith("-")]
    verbs = words[: len(words) - len(options)]
    shown = CliRunner().invoke(app, [*known(verbs), "--help"], terminal_width=300)
    assert shown.exit_code == 0, f"{page}: ./atelier {command}"
    # A verb that hands over to another process prints beside the runner.
    printed = shown.output + capfd.readouterr().out
    assert all(option in printed for option in options), f"{page}: ./atelier {command}"


def known(words: list[str]) -> list[str]:
    """The words that are verbs; what follows a verb is prose or an argument."""
    group, verbs = typer.main.get_command(app), []
    for word in words:
        commands = getattr(group, "commands", {})
        if word not in commands:
            assert verbs, f"no verb {word}"
            break
        group = commands[word]
        verbs.append(word)
    return verbs


def test_variables_of_production_are_all_explained():
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", (ROOT / "compose.production.yml").read_text()))
    page = (ROOT / "docs" / "runbook.md").read_text()
    named = {name for name in needed if name in page or f"`{name.split('_')[0]}_…`" in page}
    assert needed == named


def test_routes_in_the_runbook_are_routes():
    page, document = (ROOT / "docs" / "runbook.md").read_text(), (ROOT / "docs" / "openapi.json").read_text()
    told = re.findall(r"`(?:GET|POST) (/v1/[^`?]+)", page)
    assert len(told) > 5
    for path in told:
        pattern = re.escape(path).replace(r"\{id\}", r"\{[a-z_]+\}").replace(r"\{lane\}", r"\{lane\}")
        assert re.search(f'"{pattern}"', document), path
