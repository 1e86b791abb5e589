import json
import os

import pytest
from peers.model_folder import SMALL, change_json, write_exl2, write_half, write_tensors

from inference.plan.model_files import ModelFilesError, read_model
from inference.plan.shape import QWEN25_7B, weights_at


def problems(folder, engine="exllamav2"):
    return list(read_model(folder, engine).problems)


def test_a_whole_exl2_folder_has_no_problems(tmp_path):
    model = read_model(write_exl2(tmp_path / "qwen"))
    assert model.problems == ()
    assert model.is_quantised
    assert model.shape == QWEN25_7B


def test_bits_and_bytes_are_read_from_the_headers(tmp_path):
    model = read_model(write_exl2(tmp_path / "qwen"))
    assert model.bits_per_weight == pytest.approx(4.0, abs=0.05)
    assert model.head_bits == pytest.approx(6.0, abs=0.05)
    assert model.weights.on_card == pytest.approx(weights_at(QWEN25_7B, 4.0, 6).on_card, rel=0.01)


def test_an_fp16_folder_runs_on_transformers_and_is_to_be_converted_for_exllamav2(tmp_path):
    folder = write_half(tmp_path / "half")
    assert problems(folder, "transformers") == []
    (problem,) = problems(folder)
    assert problem.startswith("is not quantised")
    assert "xiaoq model convert" in problem


def test_a_tied_output_layer_counts_on_the_card(tmp_path):
    tied = read_model(write_half(tmp_path / "half", tied=True), "transformers").weights
    assert tied.head == tied.embedding == SMALL.head_parameters * 2


def test_exl2_is_nothing_for_transformers(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    assert "is EXL2, which the engine transformers does not read" in problems(
        folder, "transformers"
    )


def test_a_file_that_is_cut_off_is_named_with_its_sizes(tmp_path):
    folder = write_exl2(tmp_path / "qwen")
    os.truncate(folder / "output.safetensors", 1_000_000)
    assert any(
        line.startswith("output.safetensors: is cut off: 1000000") for line in problems(folder)
    )


def test_a_pointer_of_git_lfs_is_no_model(tmp_path):
    folder = write_exl2(tmp_path / "qwen")
    (folder / "output.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "git lfs pull" in problems(folder)[0]


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, b"\x02" + bytes(7) + b"[]"])
def test_what_is_no_safetensors_file_is_said_to_be_none(tmp_path, content):
    folder = write_exl2(tmp_path / "qwen")
    (folder / "output.safetensors").write_bytes(content)
    assert problems(folder)[0].startswith("output.safetensors: ")


def test_a_missing_file_of_the_index_is_named(tmp_path):
    folder = write_half(tmp_path / "half")
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-2.safetensors: is missing" in problems(folder, "transformers")


def test_the_index_that_the_converter_copied_along_is_passed_over(tmp_path):
    folder = write_exl2(tmp_path / "qwen")
    index = {"weight_map": {"a": "model-00001-of-00004.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert problems(folder) == []


def test_missing_tensors_are_counted(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    write_tensors(folder / "output.safetensors", {"lm_head.q_weight": ("I32", (8, 8))})
    assert "16 tensors are missing, the first is model.embed_tokens.weight" in problems(folder)


def test_other_formats_are_called_by_their_names(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "config.json", quantization_config={"quant_method": "awq"})
    assert "config.json: is quantised by awq; ExLlamaV2 needs EXL2" in problems(folder)
    (folder / "output.safetensors").rename(folder / "model.gguf")
    assert problems(folder)[0] == (
        "there is no .safetensors file; the GGUF (llama.cpp) files there are not read"
    )


def test_a_config_of_transformers_5_lacks_what_exllamav2_looks_for(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(
        folder / "config.json", rope_theta=None, rope_parameters={"rope_theta": 1_000_000.0}
    )
    (problem,) = problems(folder)
    assert problem.endswith("add it: 1000000.0")


def test_two_words_for_one_rope_scaling_are_refused(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "config.json", rope_scaling={"type": "yarn", "rope_type": "yarn"})
    assert "keep type alone" in problems(folder)[0]


def test_another_architecture_is_said(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "config.json", architectures=["LlamaForCausalLM"])
    assert "is for LlamaForCausalLM" in problems(folder)[0]


def test_a_tokenizer_of_another_model_is_refused(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "tokenizer.json", added_tokens=[{"id": 200_000, "content": "<s>"}])
    assert problems(folder) == [
        "tokenizer.json: does not know <|im_end|>; it is none of Qwen2.5",
        "tokenizer.json: has token 200000, the model only 151936",
    ]
    (folder / "tokenizer.json").unlink()
    assert "vocab.json with merges.txt is not read" in problems(folder)[0]


def test_a_folder_without_a_model_is_refused_in_words(tmp_path):
    with pytest.raises(ModelFilesError, match="is no folder"):
        read_model(tmp_path / "nowhere")
    with pytest.raises(ModelFilesError, match=r"config\.json: cannot be read"):
        read_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelFilesError, match="is no JSON"):
        read_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelFilesError, match=r"describes no transformer: .*hidden_size"):
        read_model(tmp_path)
