import pytest

from inference.client.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(backoff: Backoff, clock: Clock) -> float:
    """Let a request that is sent now fail, and return the wait."""
    backoff.begin()
    assert backoff.fail(clock.now)
    assert backoff.retry_seconds is not None
    return backoff.retry_seconds


def test_a_new_server_may_be_asked() -> None:
    backoff = Backoff(Clock())
    assert backoff.admits
    assert not backoff.down
    assert backoff.retry_seconds is None


def test_the_wait_doubles_with_each_failure_up_to_a_limit() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    for failures in range(2000):
        wait = fail(backoff, clock)
        doubled = min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** min(failures, 20))
        assert doubled / 2 <= wait <= doubled
        clock.now += wait


def test_two_processes_do_not_wait_equally_long() -> None:
    clock = Clock()
    assert len({fail(Backoff(clock), clock) for _ in range(20)}) > 10


def test_nobody_asks_during_the_wait_and_one_after_it() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    clock.now += fail(backoff, clock) - 0.001
    assert not backoff.admits
    clock.now += 0.001
    assert backoff.admits
    assert backoff.begin()
    assert not backoff.admits


def test_after_a_trial_without_a_verdict_the_next_may_try() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    clock.now += fail(backoff, clock)
    backoff.begin()
    backoff.leave()
    assert backoff.admits
    assert backoff.down


def test_success_forgets_all_failures() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    for _ in range(10):
        clock.now += fail(backoff, clock)
    backoff.reset()
    assert backoff.admits
    assert not backoff.begin()
    assert fail(backoff, clock) <= FIRST_SECONDS


def test_requests_that_were_under_way_together_fail_as_one() -> None:
    clock = Clock()
    backoff = Backoff(clock)
    clock.now = 5.0
    assert backoff.fail(1.0)
    waits = backoff.retry_seconds
    assert not backoff.fail(2.0)
    assert not backoff.fail(4.9)
    assert backoff.retry_seconds == waits


@pytest.mark.parametrize("seconds", [0.0, 7.0, 100.0])
def test_a_server_may_name_its_own_wait(seconds: float) -> None:
    backoff = Backoff(Clock())
    backoff.fail(0.0, seconds)
    assert backoff.retry_seconds == seconds
    assert backoff.admits == (seconds == 0.0)
