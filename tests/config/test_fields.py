from typing import Annotated, Literal

import pytest
from pydantic import Field, SecretStr, ValidationError, create_model

from config.fields import Should, Spot, Values, leaves, listed


class Inner(Values):
    key: SecretStr
    count: int = 1


class Outer(Values):
    plain: float = Field(default=1.0, gt=0, le=2)
    inner: Inner = Inner(key="k")
    entries: tuple[Inner, ...] = ()
    maybe: Annotated[str, Should("a word")] | None = None


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (int, "a whole number"),
        (Annotated[int, Field(ge=0, le=9)], "a whole number from 0 to 9"),
        (Annotated[int, Field(ge=0)], "a whole number of at least 0"),
        (Annotated[float, Field(gt=0)], "a number above 0"),
        (Annotated[float, Field(gt=0, le=1)], "a number above 0 and at most 1"),
        (Annotated[float, Field(le=1)], "a number of at most 1"),
        (Annotated[str, Field(max_length=3)], "text of at most 3 characters"),
        (Annotated[str, Field(min_length=8)], "text of at least 8 characters"),
        (Annotated[str, Field(min_length=1)], "text"),
        (Literal["a", "b", "c"], "one of a, b or c"),
        (tuple[int, ...], "a list, each a whole number"),
        (
            Annotated[tuple[str, ...], Field(max_length=6)],
            "a list of at most 6 entries, each text",
        ),
        (Inner, "a group with the names key, count"),
        (Annotated[int, Should("a prime")], "a prime"),
    ],
)
def test_a_type_and_its_bounds_become_plain_words(annotation, words):
    model = create_model("Model", x=(annotation, ...))
    assert Spot.of(model).inside("x").should == words


def test_an_optional_value_is_described_like_the_value():
    assert Spot.of_field(Outer.model_fields["maybe"]).should == "a word"


def test_secrets_are_found_in_groups_and_lists():
    root = Spot.of(Outer)
    assert root.holds_secret
    assert root.inside("entries").holds_secret
    assert root.inside("entries").inside(0).inside("key").holds_secret
    assert not root.inside("plain").holds_secret
    assert not root.inside("maybe").holds_secret


def test_an_unknown_name_leads_nowhere():
    assert Spot.of(Outer).inside("other") is None
    assert Spot.of(Outer).inside("plain").inside("x") is None


def test_leaves_are_the_values_that_can_be_set_one_by_one():
    assert [leaf.path for leaf in leaves(Outer)] == [
        ("plain",),
        ("inner", "key"),
        ("inner", "count"),
        ("entries",),
        ("maybe",),
    ]


def test_an_empty_group_means_its_defaults():
    assert Outer(inner=None) == Outer()


@pytest.mark.parametrize("value", [True, float("inf"), float("nan"), "\ud800", " "])
def test_look_alikes_of_numbers_are_refused(value):
    with pytest.raises(ValidationError):
        Outer(plain=value)


def test_half_a_character_is_no_text():
    with pytest.raises(ValidationError):
        Outer(maybe="a\ud800")


def test_choices_are_joined_like_speech():
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a or b"
    assert listed(["a", "b", "c"]) == "a, b or c"
