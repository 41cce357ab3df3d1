"""How long and how often is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """`runs` of `seconds` for rates; `events`, `jobs`, `samples` and `subscriptions` for what is counted instead.

    Films say at most so many `words`.
    """

    runs: int = 5
    seconds: float = 2
    events: int = 3000
    jobs: int = 1000
    samples: int = 200
    backlog: int = 150_000
    drain: int = 5000
    subscriptions: int = 10_000
    words: int = 100


QUICK = Settings(runs=1, seconds=0.2, events=50, jobs=20, samples=5, backlog=2000, drain=200, subscriptions=10, words=3)
