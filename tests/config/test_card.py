from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from config.card import OpeningHours, PersonaCard, is_open

CARD = {
    "name": "小Q",
    "business_line": "a shop",
    "tone": "polite",
    "rules": "be short",
    "greeting": {"zh": "您好"},
    "sentences": {
        kind: {"zh": kind}
        for kind in ("apology", "refusal", "busy", "handoff", "off_hours", "unknown", "fresh")
    },
}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")


def hours(opens, closes, **more):
    return OpeningHours(timezone="Asia/Shanghai", open=opens, close=closes, **more)


def at(text):
    """A time in Shanghai, handed over as UTC; 2026-11-23 is a Monday."""
    china = timezone(timedelta(hours=8))
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=china).astimezone(UTC)


def test_what_is_not_said_has_a_default():
    card = PersonaCard(**CARD)
    assert (card.language.reply, card.language.fallback) == ("customer", "zh")
    assert (card.answer.max_characters, card.answer.style) == (300, "lists")
    assert card.sampling.max_tokens == 512
    assert card.knowledge == (".",)
    assert card.memory.idle_hours == 24
    assert card.hours is None
    assert card.channels == card.moderation.categories == ()


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "two\nlines"},
        {"name": "x" * 81},
        {"greeting": {}},
        {"greeting": {"Chinese": "您好"}},
        {"greeting": {"zh": " "}},
        {"greeting": {"zh": "x" * 1001}},
        {"language": {"reply": "auto"}},
        {"suggestions": {"zh": ["?"] * 7}},
        {"answer": {"max_characters": 0}},
        {"answer": {"style": "table"}},
        {"sampling": {"temperature": 2.1}},
        {"sampling": {"top_p": 0}},
        {"sampling": {"max_tokens": True}},
        {"knowledge": ["/etc"]},
        {"knowledge": [".."]},
        {"knowledge": ["shop/../.."]},
        {"knowledge": ["..\\x"]},
        {"knowledge": ["C:x"]},
        {"knowledge": ["shop", "shop"]},
        {"moderation": {"categories": ["Abuse list"]}},
        {"channels": ["*:x"]},
        {"channels": ["web:*"]},
        {"channels": ["web:"]},
        {"channels": ["web", "web"]},
        {"channels": ["Web"]},
        {"memory": {"idle_hours": 0}},
        {"hours": {"timezone": "Mars/Olympus", "open": "09:00", "close": "21:00"}},
        {"hours": {"timezone": "../../etc/passwd", "open": "09:00", "close": "21:00"}},
        {"hours": {"timezone": "Asia", "open": "09:00", "close": "21:00"}},
        {"hours": {"timezone": "UTC", "open": "9:00", "close": "21:00"}},
        {"hours": {"timezone": "UTC", "open": "24:00", "close": "21:00"}},
        {"hours": {"timezone": "UTC", "open": "09:00", "close": "09:00"}},
        {"hours": {"timezone": "UTC", "open": "09:00", "close": "21:00", "days": []}},
        {"hours": {"timezone": "UTC", "open": "09:00", "close": "21:00", "days": ["monday"]}},
        {"nmae": "x"},
    ],
)
def test_a_card_with_a_wrong_value_is_refused(change):
    with pytest.raises(ValidationError):
        PersonaCard(**{**CARD, **change})


@pytest.mark.parametrize("channel", ["*", "web", "web:repairs", "wecom:kf-账号.1", "api:CRM"])
def test_channels_can_be_claimed_whole_or_by_account(channel):
    assert PersonaCard(**CARD, channels=[channel]).channels == (channel,)


def test_space_around_texts_does_not_count():
    assert PersonaCard(**{**CARD, "tone": "polite\n"}) == PersonaCard(**CARD)


@pytest.mark.parametrize(
    ("time", "there"),
    [
        ("23 08:59", False),
        ("23 09:00", True),
        ("23 20:59:59", True),
        ("23 21:00", False),
        ("28 12:00", False),
    ],
)
def test_people_are_there_from_open_to_close_on_their_days(time, there):
    assert is_open(hours("09:00", "21:00", days=WEEKDAYS), at(time)) is there


@pytest.mark.parametrize(
    ("time", "there"),
    [
        ("23 21:59", False),
        ("23 22:00", True),
        ("24 05:59", True),
        ("24 06:00", False),
        ("28 05:59", True),
        ("28 22:00", False),
        ("23 03:00", False),
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(time, there):
    assert is_open(hours("22:00", "06:00", days=WEEKDAYS), at(time)) is there


@pytest.mark.parametrize("closes", ["24:00", "00:00"])
def test_a_day_can_end_at_midnight(closes):
    monday = hours("08:00", closes, days=("mon",))
    assert is_open(monday, at("23 23:59"))
    assert not is_open(monday, at("24 00:00"))


def test_the_whole_day_can_be_open():
    assert is_open(hours("00:00", "24:00"), at("28 00:00"))
    assert is_open(hours("00:00", "24:00"), at("28 23:59:59"))


def test_without_hours_people_are_always_there():
    assert is_open(None, at("23 03:00"))


def test_hours_follow_daylight_saving_time():
    berlin = OpeningHours(timezone="Europe/Berlin", open="09:00", close="17:00")
    assert not is_open(berlin, datetime(2026, 1, 15, 7, 30, tzinfo=UTC))
    assert is_open(berlin, datetime(2026, 7, 15, 7, 30, tzinfo=UTC))


def test_a_time_without_a_zone_is_an_error_of_the_caller():
    with pytest.raises(ValueError, match="no time zone"):
        is_open(hours("09:00", "21:00"), datetime(2026, 11, 23, 12))  # noqa: DTZ001 - the point
