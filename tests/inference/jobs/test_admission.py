from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from peers.engine import facts

from inference.jobs.admission import Admission, Limits, QueueFullError
from inference.jobs.engine import JobRefusedError
from inference.jobs.job import Job


def job(name: str, prompt: int = 10, max_tokens: int = 10) -> Job:
    return Job(name, range(prompt), max_tokens)


def started(admission: Admission, *, read: bool = True) -> list[str]:
    """Start what may start."""
    names = []
    while (one := admission.next()) is not None:
        names.append(one.id)
        if read:
            admission.prefilled(one.id)
    return names


def test_jobs_start_in_the_order_they_came_up_to_the_batch():
    admission = Admission(Limits(batch=2), facts())
    for name in "abc":
        admission.add(job(name), "caller")
    assert started(admission) == ["a", "b"]
    assert (admission.running, admission.waiting) == (2, 1)
    admission.left("a")
    assert started(admission) == ["c"]


def test_the_engine_may_take_fewer_than_the_setting():
    admission = Admission(Limits(batch=8), facts(batch=1))
    for name in "ab":
        admission.add(job(name), "caller")
    assert started(admission) == ["a"]


def test_callers_take_turns_however_much_one_of_them_asks():
    admission = Admission(Limits(batch=1), facts())
    admission.add(job("0"), "busy")
    assert started(admission) == ["0"]
    for name in "123":
        admission.add(job(name), "busy")
    admission.add(job("x"), "quiet")
    admission.add(job("y"), "other")
    order = []
    last = "0"
    while admission.waiting:
        admission.left(last)
        (last,) = started(admission)
        order.append(last)
    assert order == ["1", "x", "y", "2", "3"]


def test_few_prompts_are_read_at_a_time():
    admission = Admission(Limits(prefills=2), facts())
    for name in "abc":
        admission.add(job(name), "caller")
    assert started(admission, read=False) == ["a", "b"]
    admission.prefilled("b")
    assert started(admission, read=False) == ["c"]


def test_a_job_that_leaves_while_its_prompt_is_read_makes_room_for_the_next():
    admission = Admission(Limits(prefills=1), facts())
    for name in "ab":
        admission.add(job(name), "caller")
    assert started(admission, read=False) == ["a"]
    admission.left("a")
    assert started(admission, read=False) == ["b"]


def test_nobody_overtakes_a_large_job_that_waits_for_room():
    admission = Admission(Limits(), facts(pool_tokens=1024))
    admission.add(job("first", 500, 100), "a")
    assert started(admission) == ["first"]
    admission.add(job("large", 500, 100), "a")
    admission.add(job("small"), "b")
    assert started(admission) == []
    admission.left("first")
    assert started(admission) == ["large", "small"]
    assert admission.free_tokens == 0


def test_room_is_counted_in_whole_pages():
    admission = Admission(Limits(), facts(pool_tokens=1024))
    admission.add(job("a", 256, 1), "caller")
    started(admission)
    assert admission.free_tokens == 512


@pytest.mark.parametrize(
    ("size", "number"), [((4000, 97), "4096"), ((4096, 1), "4096"), ((1000, 25), "1024")]
)
def test_a_job_that_can_never_fit_is_refused_with_numbers(size, number):
    limited = facts(pool_tokens=1024) if number == "1024" else facts()
    admission = Admission(Limits(), limited)
    with pytest.raises(JobRefusedError, match=number) as caught:
        admission.add(job("a", *size), "caller")
    assert str(sum(size)) in str(caught.value)
    assert admission.waiting == 0


def test_a_full_queue_takes_no_more_of_who_fills_it():
    admission = Admission(Limits(batch=1, queue=2), facts())
    for name in "abc":
        admission.add(job(name), "busy")
        started(admission)
    with pytest.raises(QueueFullError):
        admission.add(job("d"), "busy")
    assert admission.waiting == 2


def test_in_a_full_queue_the_newest_of_the_busiest_makes_way_for_another_caller():
    admission = Admission(Limits(batch=1, queue=3), facts())
    for name in "abcd":
        admission.add(job(name), "busy")
        started(admission)
    pushed_out = admission.add(job("x"), "quiet")
    assert pushed_out is not None
    assert pushed_out.id == "d"
    assert admission.waiting == 3
    with pytest.raises(QueueFullError):
        admission.add(job("y"), "quiet")


def test_without_a_queue_a_job_starts_at_once_or_not_at_all():
    admission = Admission(Limits(batch=1, queue=0), facts())
    admission.add(job("a"), "caller")
    assert started(admission) == ["a"]
    with pytest.raises(QueueFullError):
        admission.add(job("b"), "other")


def test_a_job_withdrawn_from_the_queue_never_starts():
    admission = Admission(Limits(batch=1), facts())
    for name in "abc":
        admission.add(job(name), name)
    assert started(admission) == ["a"]
    assert admission.withdraw("b", "b")
    assert not admission.withdraw("b", "b")
    assert not admission.withdraw("a", "a")
    admission.left("a")
    assert started(admission) == ["c"]


def test_room_given_back_twice_is_counted_once():
    admission = Admission(Limits(), facts())
    admission.add(job("a"), "caller")
    started(admission)
    admission.left("a")
    admission.left("a")
    assert admission.free_tokens == facts().pool_tokens


# Adapters that do not mix


def one_adapter(**limits: int) -> Admission:
    return Admission(Limits(**limits), facts(mixes_adapters=False))


def asked(admission: Admission, *names: str) -> None:
    """Queue jobs, each of a caller of its own; the first letter of a name is the adapter."""
    for name in names:
        admission.add(replace(job(name), adapter=name[0]), name)


def test_a_job_that_waits_for_another_adapter_takes_no_place_of_those_that_run():
    admission = one_adapter(prefills=1)
    asked(admission, "a1", "b1", "a2")
    assert started(admission) == ["a1", "a2"]
    assert (admission.running, admission.waiting) == (2, 1)


def test_all_that_wait_for_an_adapter_go_together_when_its_turn_comes():
    admission = one_adapter()
    asked(admission, "a1")
    assert started(admission) == ["a1"]
    asked(admission, "b1", "a2", "b2", "c1", "b3")
    admission.left("a1")
    assert started(admission) == ["b1", "b2", "b3"]
    for name in ("b1", "b2"):
        admission.left(name)
    assert started(admission) == []
    admission.left("b3")
    assert started(admission) == ["a2"]
    admission.left("a2")
    assert started(admission) == ["c1"]


def test_whoever_comes_joins_its_adapter_while_nobody_waits_for_another():
    admission = one_adapter()
    asked(admission, "a1")
    assert started(admission) == ["a1"]
    asked(admission, "a2")
    assert started(admission) == ["a2"]
    asked(admission, "b1", "a3")
    assert started(admission) == []
    admission.withdraw("b1", "b1")
    assert started(admission) == ["a3"]


def test_a_job_of_a_caller_does_not_wait_behind_his_own_of_another_adapter():
    admission = one_adapter()
    for name in ("a1", "b1", "a2"):
        admission.add(replace(job(name), adapter=name[0]), "caller")
    assert started(admission) == ["a1", "a2"]


def test_a_turn_ends_after_a_batch_however_many_come():
    admission = one_adapter(batch=2)
    asked(admission, "a1", "a2", "a3", "b1")
    assert started(admission) == ["a1", "a2"]
    asked(admission, "a4", "a5")
    admission.left("a1")
    assert started(admission) == []
    admission.left("a2")
    assert started(admission) == ["a3", "a4"]
    admission.left("a3")
    admission.left("a4")
    assert started(admission) == ["b1"]


def test_without_a_queue_a_job_of_another_adapter_is_sent_away():
    admission = one_adapter(queue=0)
    asked(admission, "a1")
    assert started(admission) == ["a1"]
    with pytest.raises(QueueFullError):
        asked(admission, "b1")


@given(st.lists(st.sampled_from(["a", "a", "b", "end"]), max_size=60), st.integers(1, 4))
def test_nobody_is_overtaken_by_more_than_a_batch_for_each_job_before_him(steps, batch):
    admission = one_adapter(batch=batch)
    waiting: dict[str, tuple[int, int]] = {}
    """How many waited before a job, and had begun, when it came."""
    running: list[str] = []
    begun = 0
    for number, step in enumerate([*steps, *["end"] * len(steps)]):
        if step != "end":
            name = f"{step}{number}"
            waiting[name] = (len(waiting), begun)
            asked(admission, name)
        elif running:
            admission.left(running.pop(0))
        for name in started(admission):
            running.append(name)
            before, begun_before = waiting.pop(name)
            assert begun - begun_before <= (before + 1) * batch
            begun += 1
        assert len({name[0] for name in running}) <= 1
    assert not waiting
