import stat

import pytest

from inference.plan.cards import choose_cards, parse_cards, read_cards
from inference.plan.placement import PlacementError

TABLE = """\
0, GPU-8f1a, NVIDIA GeForce RTX 4090 D, 24564, 24100
1, GPU-77c2, NVIDIA GeForce RTX 4090 D, 24564, [GPU is lost]
2, GPU-90ab, NVIDIA GeForce RTX 4090 D, 24564, 11000
"""


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a program of that name on the path, which does what it is told."""

    def put(script: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    return put


def test_a_card_in_trouble_is_left_out():
    cards = parse_cards(TABLE)
    assert [(card.number, card.uuid) for card in cards] == [(0, "GPU-8f1a"), (2, "GPU-90ab")]
    assert cards[0].free == 24_100 << 20


async def test_cards_are_read_from_the_driver_s_own_program(nvidia_smi):
    nvidia_smi(f"cat <<END\n{TABLE}END")
    assert [card.name for card in await read_cards()] == ["NVIDIA GeForce RTX 4090 D"] * 2


async def test_a_driver_that_does_not_work_means_no_cards(nvidia_smi):
    nvidia_smi("echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9")
    assert await read_cards() == []


async def test_without_the_program_there_are_no_cards(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await read_cards() == []


def test_wanted_cards_are_taken_in_their_order():
    cards = parse_cards(TABLE)
    assert [card.number for card in choose_cards(cards, (2, 0), {})] == [2, 0]
    with pytest.raises(PlacementError, match="gpus names card 1, which is not there: 0, 2"):
        choose_cards(cards, (0, 1), {})


@pytest.mark.parametrize(
    ("visible", "numbers"), [("2", [2]), ("GPU-90ab,0", [2, 0]), ("", []), ("7", [])]
)
def test_what_the_machine_s_owner_made_visible_is_kept_to(visible, numbers):
    chosen = choose_cards(parse_cards(TABLE), (), {"CUDA_VISIBLE_DEVICES": visible})
    assert [card.number for card in chosen] == numbers


async def test_a_program_that_cannot_be_started_means_no_cards(nvidia_smi, tmp_path):
    nvidia_smi("")
    (tmp_path / "nvidia-smi").write_bytes(b"\x7fELF of another machine")
    assert await read_cards() == []
