"""How fast a bot may write."""

import pytest

from bots.telegram.errors import TooManyError
from bots.telegram.flood import MOST_CHATS, Flood

GROUP = -5


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def flood(clock):
    return Flood(30, clock)


def test_a_burst_leaves_at_once_and_then_one_a_second(flood, clock):
    for _ in range(3):
        assert flood.admit(7, 0.0) == 0
    with pytest.raises(TooManyError) as wait:
        flood.admit(7, 0.5)
    assert wait.value.seconds == pytest.approx(1.0)
    assert flood.admit(7, 1.5) == pytest.approx(1.0)


def test_other_chats_go_on_while_one_is_closed(flood, clock):
    flood.close(7, 30)
    with pytest.raises(TooManyError):
        flood.admit(7, 10)
    flood.admit(8, 0.0)
    clock.now += 30
    flood.admit(7, 0.0)


def test_thirty_a_second_leave_in_all(flood):
    for chat in range(1, 31):
        flood.admit(chat, 0.0)
    with pytest.raises(TooManyError):
        flood.admit(99, 0.0)


def test_edits_in_a_group_slow_down_to_twenty_a_minute(flood, clock):
    seen = 0
    for _ in range(600):
        clock.now += 0.1
        seen += flood.spare(GROUP) == 0
    assert 20 <= seen <= 30


def test_what_may_be_left_out_leaves_room_for_what_must_leave(flood, clock):
    for _ in range(100):
        clock.now += 0.05
        flood.spare(GROUP)
        flood.spare_draft(7)
    flood.admit(GROUP, 0.0)
    flood.admit(7, 0.0)


def test_drafts_are_no_messages_in_their_chat(flood):
    assert [flood.spare_draft(7) for _ in range(10)] == [0.0] * 10
    flood.close(7, 3)
    assert flood.spare_draft(7) == pytest.approx(3)


def test_quiet_chats_are_forgotten(clock):
    flood = Flood(1e9, clock)
    for chat in range(2 * MOST_CHATS):
        clock.now += 1
        flood.admit(chat + 1, 0.0)
    assert len(flood._chats) <= MOST_CHATS + 1
