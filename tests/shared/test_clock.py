"""Domain time: every process of an installation reads one clock, and it moves only when somebody says so."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.clock import ManualClock, OffsetClock

DAY = 86_400


def test_a_clock_that_one_process_advances_is_advanced_for_all_and_stays_so(tmp_path):
    mine, yours = OffsetClock(tmp_path / "home" / "clock"), OffsetClock(tmp_path / "home" / "clock")
    before = yours.now()
    told = mine.advance(DAY)
    mine.advance(DAY)
    started_later = OffsetClock(tmp_path / "home" / "clock")
    assert told - before >= timedelta(days=1)
    for clock in (yours, started_later):
        assert clock.now() - before >= timedelta(days=2)
        assert clock.now() - mine.now() < timedelta(days=1)


@pytest.mark.parametrize("make", [ManualClock, lambda: ManualClock(datetime(2024, 2, 29, tzinfo=UTC))])
def test_a_manual_clock_stands_still_until_it_is_moved(make):
    clock = make()
    before = clock.now()
    assert clock.now() == before
    assert clock.advance(DAY) == clock.now() == before + timedelta(days=1)
    assert before.tzinfo is UTC
