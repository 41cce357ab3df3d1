"""The benches run and yield figures. What the figures are is no test's business: a machine is never alone."""

import math

import pytest
from rich.console import Console

from bench.__main__ import DOCUMENT
from bench.board import Figure, markdown_of
from bench.run import BENCHES, run_benches, write_down
from bench.settings import QUICK

pytestmark = pytest.mark.timeout(240)


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_yields_figures_beside_their_references(name, monkeypatch):
    monkeypatch.delenv("AMQP_URL", raising=False)
    figures = run_benches([name], QUICK, Console(quiet=True))[name]
    assert figures
    for figure in figures:
        assert len(figure.ours) == len(figure.theirs) == QUICK.runs
        assert all(math.isfinite(value) and value >= 0 for value in [*figure.ours, *figure.theirs])


def test_a_rate_is_met_from_above_and_a_time_from_below():
    rate, time = Figure("", "", "", "", 0.5), Figure("", "", "", "", 2, less_is_better=True)
    rate.add(60, 100)
    time.add(3, 1)
    assert (rate.is_met, time.is_met) == (True, False)
    assert "≥ 0.5 met" in markdown_of([rate])


def test_figures_replace_those_of_their_bench_and_leave_the_others(tmp_path):
    document = tmp_path / "performance.md"
    document.write_text(
        "# Before\n<!-- jobs -->\nold\n<!-- end jobs -->\n<!-- http -->\nkept\n<!-- end http -->\nafter\n"
    )
    figure = Figure("E1", "events", "events/s", "raw")
    figure.add(1234, 5000)
    write_down({"jobs": [figure]}, document)
    written = document.read_text()
    assert "old" not in written
    assert "| E1 | events | 1,234 (1,234-1,234) events/s |" in written
    assert written.endswith("<!-- end jobs -->\n<!-- http -->\nkept\n<!-- end http -->\nafter\n")


def test_the_document_has_a_place_for_each_bench():
    text = DOCUMENT.read_text()
    for name in BENCHES:
        assert text.count(f"<!-- {name} -->\n") == text.count(f"<!-- end {name} -->\n") == 1
