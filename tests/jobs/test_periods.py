"""Monthly periods: clamped, without gaps, and counted from the anchor only."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.periods import months_after, period_of

BOUNDS = (datetime(2020, 1, 1), datetime(2035, 12, 31))  # noqa: DTZ001 - hypothesis adds the zone
moments = st.datetimes(*BOUNDS, timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(anchor=moments, now=moments)
def test_every_moment_lies_in_exactly_one_period(anchor, now):
    start, end = period_of(anchor, now)
    assert start <= now < end
    assert period_of(anchor, start) == (start, end)
    assert period_of(anchor, end)[0] == end
    assert period_of(anchor, end - timedelta(microseconds=1)) == (start, end)
    assert timedelta(days=27) < end - start <= timedelta(days=31)


@given(anchor=moments, months=st.integers(-60, 60))
def test_a_boundary_keeps_the_anchor_s_day_and_time_where_the_month_has_it(anchor, months):
    moved = months_after(anchor, months)
    assert moved.time() == anchor.time()
    assert moved.day == anchor.day or (moved + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("anchor", "now", "start", "end"),
    [
        ("2026-01-31T10:00", "2026-02-28T09:59", "2026-01-31T10:00", "2026-02-28T10:00"),
        ("2026-01-31T10:00", "2026-02-28T10:00", "2026-02-28T10:00", "2026-03-31T10:00"),
        ("2024-01-31T10:00", "2024-02-29T12:00", "2024-02-29T10:00", "2024-03-31T10:00"),
        ("2024-02-29T00:00", "2025-02-28T00:00", "2025-02-28T00:00", "2025-03-29T00:00"),
        ("2025-12-15T08:00", "2026-01-14T08:00", "2025-12-15T08:00", "2026-01-15T08:00"),
        ("2026-06-10T08:00", "2026-04-01T08:00", "2026-03-10T08:00", "2026-04-10T08:00"),
    ],
)
def test_known_months(anchor, now, start, end):
    assert period_of(at(anchor), at(now)) == (at(start), at(end))


def test_a_change_to_summer_time_moves_no_boundary():
    berlin_winter = timezone(timedelta(hours=1))
    anchor = datetime(2026, 3, 28, 2, 30, tzinfo=berlin_winter)
    start, end = period_of(anchor, datetime(2026, 4, 1, tzinfo=timezone(timedelta(hours=2))))
    assert (start, end) == (at("2026-03-28T01:30"), at("2026-04-28T01:30"))
