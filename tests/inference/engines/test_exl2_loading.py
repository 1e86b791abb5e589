"""What can be known of loading without a card, on models written by `exl2_weights`."""

import json
from pathlib import Path

import pytest
from peers import exl2_stub

exl2_stub.install()

import exllamav2.attn  # noqa: E402
import exllamav2.device  # noqa: E402
import torch  # noqa: E402
from peers.exl2_weights import TINY, Writer, dequantise, reference_model  # noqa: E402
from peers.qwen import small_tokenizer  # noqa: E402

from config.engine import AdapterSettings, EngineSettings  # noqa: E402
from inference.engines import exl2  # noqa: E402
from inference.engines.exl2_loading import (  # noqa: E402
    device_limits,
    load_exl2,
    pool_tokens,
)
from inference.engines.loading import load_engine  # noqa: E402
from inference.jobs.engine import LoadRefusedError  # noqa: E402
from inference.plan.model_files import read_model  # noqa: E402
from inference.plan.placement import GIB, Card, Demand, lay_out  # noqa: E402
from inference.plan.shape import QWEN25_7B  # noqa: E402

pytestmark = pytest.mark.model

DEEP = TINY.model_copy(update={"num_hidden_layers": 8})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exl2") / "tiny"
    Writer(DEEP, bits=4.0, group=32).write(folder, small_tokenizer())
    return folder


@pytest.mark.parametrize("bits", [3.5, 4.0, 5.0, 6.0])
def test_a_layer_has_the_bits_that_were_asked_for(bits):
    tensors = Writer(QWEN25_7B, bits).linear(3584, 512, bits)
    size = sum(tensors[name].nbytes for name in ("q_weight", "q_scale", "q_scale_max"))
    assert size * 8 / (3584 * 512) == pytest.approx(bits, abs=0.06)


def test_a_layer_has_the_spread_that_was_asked_for_at_each_width():
    weights = dequantise(Writer(TINY, 4.0).linear(1024, 512, 4.0))
    assert weights.shape == (1024, 512)
    assert float(weights.std()) == pytest.approx(0.02, rel=0.1)


def test_a_weight_is_read_from_its_bits():
    writer = Writer(TINY, 4.0, group=32)
    tensors = writer.linear(64, 32, 4.5)
    width, start = tensors["q_groups"].tolist()[2:4]
    column = sum(
        (int(word) & 0xFFFF_FFFF) << (32 * place)
        for place, word in enumerate(tensors["q_weight"][start : start + width, 9])
    )
    code = (column >> (7 * width)) & (2**width - 1)
    step = (int(tensors["q_scale"][1, 1]) >> 4) & 0xF
    scale = (step + 1) ** 2 / 256 * float(tensors["q_scale_max"][1])
    row = tensors["q_invperm"].tolist().index(32 + 7)
    expected = (code - 2 ** (width - 1)) * scale
    assert float(dequantise(tensors)[row, 9]) == pytest.approx(expected)


def test_a_written_model_is_one_to_our_eyes_and_to_the_librarys(folder):
    assert read_model(folder).problems == ()
    assert read_model(folder).bits_per_weight == pytest.approx(4.0, abs=0.15)
    model = exl2.open_model(folder, 4096, EngineSettings())
    assert exl2.open_tokenizer(model).get_vocab_size() <= TINY.vocab_size
    assert all(module.weight_footprint() > 0 for module in model.modules)


def test_a_written_model_can_be_had_in_float_for_comparison(folder):
    pytest.importorskip("transformers")
    with torch.no_grad():
        logits = reference_model(folder, DEEP)(torch.arange(40).view(1, 40)).logits
    assert logits.shape == (1, 40, TINY.vocab_size)
    assert 0.01 < float(logits.std()) < 10


@pytest.mark.parametrize("layers", [(8,), (4, 4), (2, 2, 2, 2), (3, 1, 4), (1, 7)])
def test_as_many_layers_go_onto_each_card_as_planned(folder, layers, monkeypatch):
    streams = {number: object() for number in range(4)}
    monkeypatch.setattr(exllamav2.device, "global_streams", streams)
    model = exl2.open_model(folder, 4096, EngineSettings())
    model.set_device_map(device_limits(model, layers))
    cards = [model.cache_map[layer] for layer in range(8)]
    assert [cards.count(f"cuda:{number}") for number in range(len(layers))] == list(layers)
    placed = [module.device_idx for module in model.modules]
    assert placed[0] == -1
    assert placed[-1] == len(layers) - 1


def test_the_scratch_space_follows_chunk_and_batch(folder):
    small = exl2.open_model(folder, 4096, EngineSettings(prefill_chunk=256, batch=8))
    assert small.config.max_input_len == 256
    wide = exl2.open_model(folder, 4096, EngineSettings(prefill_chunk=256, batch=100))
    assert wide.config.max_input_len == 1024


def test_a_pool_larger_than_the_cards_is_refused_with_numbers(folder):
    files = read_model(folder)
    layout = lay_out(
        EngineSettings(max_seq_len=4096),
        Demand(files.shape, files.weights),
        [Card(0, 24 * GIB, 23 * GIB)],
    )
    room = layout.units[0].pool_tokens
    assert pool_tokens(EngineSettings(), layout, files, None) == room
    assert pool_tokens(EngineSettings(), layout, files, files) == pytest.approx(room / 2, abs=256)
    with pytest.raises(LoadRefusedError, match=f"room for {room}"):
        pool_tokens(EngineSettings(pool_tokens=room + 256), layout, files, None)


def test_yarn_is_the_reference_where_the_library_asks_for_it(folder):
    model = exl2.open_model(folder, 4 * 8192, EngineSettings(yarn=True))
    assert model.config.max_seq_len == 32_768
    from exllamav2.rope import get_rope_params

    frequencies, attention = get_rope_params("cpu", model.config, 1_000_000.0)
    plain = exl2.open_model(folder, 8192, EngineSettings())
    untouched, one = get_rope_params("cpu", plain.config, 1_000_000.0)
    assert one == 1.0
    assert attention == pytest.approx(1.1386, abs=1e-4)
    assert torch.allclose(frequencies[:8], untouched[:8])
    assert float(untouched[-1] / frequencies[-1]) == pytest.approx(4.0)


def test_a_yarn_block_in_the_config_is_no_longer_context_by_itself(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config["rope_scaling"] = {
        "type": "yarn",
        "factor": 4.0,
        "original_max_position_embeddings": 2048,
    }
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = exl2.open_model(tmp_path, 4096, EngineSettings(yarn=True))
    assert model.config.yarn_rope_factor == 2.0


def test_without_a_card_it_says_so_in_one_line(folder):
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    settings = EngineSettings(engine="exllamav2", model_dir=folder)
    with pytest.raises(LoadRefusedError, match="needs an NVIDIA card"):
        load_engine(settings, lambda _: None)
    with pytest.raises(LoadRefusedError, match="sees no card"):
        load_exl2(settings, lambda _: None)


def test_what_goes_with_no_tensor_placement_is_refused(folder):
    adapter = AdapterSettings(name="repairs", folder=folder)
    for more in ({"adapters": (adapter,)}, {"speculative": "draft", "draft_dir": folder}):
        settings = EngineSettings(model_dir=folder, placement="tensor", **more)
        with pytest.raises(LoadRefusedError, match="neither adapters nor"):
            load_exl2(settings, lambda _: None)


def test_without_flash_attention_it_is_refused_unless_one_answer_at_a_time_will_do(
    folder, monkeypatch
):
    monkeypatch.setattr(exllamav2.attn, "has_flash_attn_with_paged", False)
    with pytest.raises(LoadRefusedError, match="flash-attn"):
        load_exl2(EngineSettings(model_dir=folder), lambda _: None)


def test_a_folder_that_is_no_model_is_refused_in_one_line(tmp_path):
    with pytest.raises(LoadRefusedError, match="is no folder"):
        load_exl2(EngineSettings(model_dir=tmp_path / "none"), lambda _: None)
