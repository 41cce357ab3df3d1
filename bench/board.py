"""Figures, each beside the reference that was measured in the same run."""

import statistics
from dataclasses import dataclass, field

from rich.table import Table


@dataclass
class Figure:
    """Something measured several times, alternating with its reference.

    `aim` bounds the ratio of the medians, ours to the reference's: from below for a rate, from above for a time
    (`less_is_better`). Without an aim the figure is only shown.
    """

    goal: str
    what: str
    unit: str
    reference: str
    aim: float | None = None
    less_is_better: bool = False
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    def add(self, ours: float, theirs: float) -> None:
        self.ours.append(ours)
        self.theirs.append(theirs)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def is_met(self) -> bool | None:
        if self.aim is None:
            return None
        return self.ratio <= self.aim if self.less_is_better else self.ratio >= self.aim

    def cells(self) -> tuple[str, ...]:
        """Goal, what, our median with its range, the reference's, the ratio and the aim."""
        verdict = {None: "", True: "met", False: "missed"}[self.is_met]
        bound = "" if self.aim is None else f"{'≤' if self.less_is_better else '≥'} {self.aim:g} {verdict}"
        ours, theirs = (f"{_spread(values)} {self.unit}" for values in (self.ours, self.theirs))
        return self.goal, self.what, ours, f"{self.reference}: {theirs}", f"{self.ratio:.2f}", bound


HEADINGS = ("goal", "figure", "Atelier", "reference", "ratio", "aim")


def table_of(figures: list[Figure]) -> Table:
    table = Table(*HEADINGS, box=None)
    for figure in figures:
        table.add_row(*figure.cells())
    return table


def markdown_of(figures: list[Figure]) -> str:
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.cells() for figure in figures)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _spread(values: list[float]) -> str:
    return f"{_short(statistics.median(values))} ({_short(min(values))}-{_short(max(values))})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits are as many as mean anything
