"""Leaving alone what does not work."""

from shared.breaker import FAILURES, REST_SECONDS, Breaker


def test_a_breaker_opens_after_five_failures_and_lets_one_through_after_its_rest():
    now = [100.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(FAILURES - 1):
        breaker.failed()
    assert breaker.rest() == 0
    breaker.failed()
    assert (breaker.rest(), breaker.is_open) == (REST_SECONDS, True)
    now[0] += REST_SECONDS
    assert (breaker.rest(), breaker.rest() > 0) == (0, True)
    breaker.failed()
    assert breaker.rest() > 0
    now[0] += REST_SECONDS
    assert breaker.rest() == 0
    breaker.worked()
    assert breaker.rest() == 0


def test_failures_far_apart_open_no_breaker():
    now = [0.0]
    breaker = Breaker(lambda: now[0])
    for _ in range(20):
        now[0] += 10
        breaker.failed()
    assert breaker.rest() == 0
