import pytest
from peers.fleet import card
from peers.model_folder import SMALL, change_json, write_exl2, write_half

from config.engine import EngineSettings
from inference.plan.fleet import plan_fleet, settle
from inference.plan.model_files import read_model
from inference.plan.placement import PlacementError

CARDS = [card(number) for number in range(4)]


@pytest.fixture
def qwen(tmp_path):
    return read_model(write_exl2(tmp_path / "qwen2.5-7b"))


def settings(model, **given) -> EngineSettings:
    return EngineSettings.model_validate(
        {"engine": "exllamav2", "model_dir": model.folder, **given}
    )


def test_each_card_gets_a_whole_model_of_its_own(qwen):
    fleet = plan_fleet(settings(qwen), qwen, CARDS)
    assert [berth.cards for berth in fleet.berths] == [(each,) for each in CARDS]
    assert fleet.served_name == "qwen2.5-7b"


def test_a_unit_finds_out_by_itself_what_fits_but_takes_no_more_than_its_answers_can_fill(qwen):
    fleet = plan_fleet(settings(qwen), qwen, CARDS)
    assert settle(fleet, CARDS[:1]).pool_tokens is None
    small = plan_fleet(settings(qwen, batch=4, max_seq_len=8192), qwen, CARDS)
    assert settle(small, CARDS[:1]).pool_tokens == 4 * 8192


def test_a_pool_that_was_asked_for_is_given(qwen):
    fleet = plan_fleet(settings(qwen, pool_tokens=65_536), qwen, CARDS)
    assert settle(fleet, CARDS[:1]).pool_tokens == 65_536


def test_a_split_keeps_the_shares_it_was_given_while_it_has_all_its_cards(qwen):
    given = settings(qwen, placement="split", gpu_split=[1, 1, 1, 2])
    fleet = plan_fleet(given, qwen, CARDS)
    settled = settle(fleet, CARDS)
    assert (settled.placement, settled.gpu_split) == ("split", (1, 1, 1, 2))
    # What a unit reads has to pass the checks of its settings.
    assert EngineSettings.model_validate_json(settled.model_dump_json()) == settled
    assert settle(fleet, CARDS[:3]).gpu_split == ()


def test_a_split_of_which_one_card_is_left_becomes_a_whole_model(qwen):
    fleet = plan_fleet(settings(qwen, placement="split"), qwen, CARDS[:2])
    settled = settle(fleet, CARDS[:1])
    assert (settled.placement, settled.gpu_split, settled.gpus) == ("replicas", (), (0,))


def test_exllamav2_needs_a_card(qwen):
    with pytest.raises(PlacementError, match="needs an NVIDIA card"):
        plan_fleet(settings(qwen), qwen, [])


def test_transformers_does_without_and_has_no_split(tmp_path):
    model = read_model(write_half(tmp_path / "tiny", SMALL), "transformers")
    alone = plan_fleet(settings(model, engine="transformers"), model, [])
    assert [berth.cards for berth in alone.berths] == [()]
    assert settle(alone, ()).max_seq_len == 32_768
    with pytest.raises(PlacementError, match="needs the engine exllamav2"):
        plan_fleet(settings(model, engine="transformers", placement="split"), model, CARDS)


def test_more_than_the_model_was_trained_for_needs_yarn(qwen):
    with pytest.raises(PlacementError, match="was trained for 32768; more needs yarn"):
        plan_fleet(settings(qwen, max_seq_len=65_536), qwen, CARDS)
    stretched = plan_fleet(settings(qwen, max_seq_len=131_072, yarn=True), qwen, CARDS)
    assert settle(stretched, CARDS[:1]).max_seq_len == 131_072
    with pytest.raises(PlacementError, match="yarn allows up to 131072"):
        plan_fleet(settings(qwen, max_seq_len=262_144, yarn=True), qwen, CARDS)


def test_a_config_that_is_stretched_already_does_not_count_as_trained_for_it(qwen):
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    change_json(qwen.folder / "config.json", rope_scaling=scaling, max_position_embeddings=131_072)
    stretched = read_model(qwen.folder)
    assert stretched.trained_tokens == 32_768
