from hypothesis import given
from hypothesis import strategies as st

from inference.engines.waiting import Waiting
from inference.jobs.job import Job


def waiting(*adapters: str) -> Waiting:
    jobs = Waiting()
    for number, adapter in enumerate(adapters):
        jobs.add(Job(str(number), [1], 1, adapter=adapter))
    return jobs


def taken(jobs: Waiting, adapter: str, *, idle: bool) -> str:
    return "".join(job.id for job in jobs.take(adapter, idle=idle))


def test_jobs_of_the_current_adapter_start_at_once():
    assert taken(waiting("a", "a"), "a", idle=False) == "01"


def test_another_adapter_waits_until_nothing_runs():
    jobs = waiting("b")
    assert taken(jobs, "a", idle=False) == ""
    assert taken(jobs, "a", idle=True) == "0"


def test_nobody_joins_past_one_who_waits_for_another_adapter():
    jobs = waiting("a", "b", "a")
    assert taken(jobs, "a", idle=False) == "0"
    assert taken(jobs, "a", idle=False) == ""


def test_all_that_wait_for_an_adapter_go_together_when_its_turn_comes():
    jobs = waiting("b", "a", "b", "c", "b")
    assert taken(jobs, "a", idle=True) == "024"
    assert taken(jobs, "b", idle=True) == "1"
    assert len(jobs) == 1


def test_a_forgotten_job_does_not_hold_up_the_others():
    jobs = waiting("b", "a")
    jobs.discard("0")
    jobs.discard("unknown")
    assert taken(jobs, "a", idle=False) == "1"


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_every_job_starts_once_and_only_beside_its_own_adapter(adapters):
    jobs = waiting(*adapters)
    current, seen = "", []
    while len(jobs):
        group = jobs.take(current, idle=True)
        assert group
        assert len({job.adapter for job in group}) == 1
        current = group[0].adapter
        seen += [job.id for job in group]
    assert sorted(seen, key=int) == [str(number) for number in range(len(adapters))]
