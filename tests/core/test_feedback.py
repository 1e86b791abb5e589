"""Votes under answers, on a real Redis."""

import pytest

from core.errors import StoreUnavailableError
from core.feedback import Feedback, ticket
from core.messages import Address
from core.metrics import Metrics
from core.redis import open_store, partition_of

CONVERSATION = Address("telegram", "main", "1", "1").key
DIGEST = "0123456789abcdef" * 2


@pytest.fixture
def metrics():
    return Metrics()


def votes(metrics: Metrics) -> dict[str, float]:
    family = next(f for f in metrics.registry.collect() if f.name == "xiaoq_feedback")
    return {s.labels["vote"]: s.value for s in family.samples if s.name.endswith("_total")}


def test_a_ticket_fits_into_the_smallest_button():
    assert len(ticket(CONVERSATION, DIGEST, up=True)) <= 64


async def test_a_vote_counts_once_and_can_be_changed(store, metrics):
    feedback = Feedback(store, 4, metrics)
    up, down = (ticket(CONVERSATION, DIGEST, up=up) for up in (True, False))
    for pressed in (up, up, down):
        assert await feedback.take(pressed, "ann", "telegram")
    assert votes(metrics) == {"up": 1, "down": 1}
    rows = await store.xrange(partition_of(CONVERSATION, 4).key("audit"))
    assert [fields["vote"] for _, fields in rows] == ["up", "down"]
    assert all(fields["messages"] == DIGEST[:16] for _, fields in rows)


async def test_two_people_have_a_vote_each_and_are_not_named(store, metrics):
    feedback = Feedback(store, 1, metrics)
    for voter in ("ann", "bob"):
        await feedback.take(ticket(CONVERSATION, DIGEST, up=True), voter, "telegram")
    assert votes(metrics) == {"up": 2}
    assert not [key for key in await store.keys("*") if "ann" in key or "bob" in key]


@pytest.mark.parametrize(
    "carried", ["", "fb:1", "x" * 43, ticket(CONVERSATION, DIGEST, up=True)[:-1]]
)
async def test_what_others_put_on_buttons_is_no_vote(store, metrics, carried):
    assert not await Feedback(store, 1, metrics).take(carried, "ann", "telegram")


async def test_without_redis_the_vote_is_not_taken(metrics):
    async with open_store("redis://127.0.0.1:1") as store:
        with pytest.raises(StoreUnavailableError):
            await Feedback(store, 1, metrics).take(
                ticket(CONVERSATION, DIGEST, up=True), "ann", "telegram"
            )
