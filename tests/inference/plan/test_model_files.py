import json
import os
import struct

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


def test_a_file_with_more_behind_its_tensors_is_named_with_its_sizes(tmp_path):
    """The safetensors library refuses it: a download went wrong."""
    folder = write_exl2(tmp_path / "qwen", SMALL)
    whole = (folder / "output.safetensors").stat().st_size
    os.truncate(folder / "output.safetensors", whole + 10)
    assert problems(folder)[0] == (
        f"output.safetensors: is too long: {whole + 10} bytes for {whole}; download it again"
    )


@pytest.mark.parametrize("offsets", [(100, 0), (-8, 8), (0, 4), (0, 12), (1 << 70, (1 << 70) + 8)])
def test_tensors_that_overlap_or_leave_holes_are_no_model(tmp_path, offsets):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    tensor = {"dtype": "F16", "shape": [2, 2]}
    header = {"a": tensor | {"data_offsets": [0, 8]}, "b": tensor | {"data_offsets": offsets}}
    content = json.dumps(header).encode()
    file = folder / "output.safetensors"
    file.write_bytes(struct.pack("<Q", len(content)) + content + bytes(16))
    assert problems(folder)[0] == ("output.safetensors: has a header that is none of safetensors")


def test_a_link_into_nowhere_and_a_folder_are_no_files(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    (folder / "a.safetensors").symlink_to(tmp_path / "gone")
    (folder / "b.safetensors").mkdir()
    assert problems(folder)[:2] == [
        "a.safetensors: cannot be read (No such file or directory)",
        "b.safetensors: cannot be read (Is a directory)",
    ]


def test_links_to_files_elsewhere_are_followed(tmp_path):
    """A cache of downloads is made of them."""
    folder = write_exl2(tmp_path / "qwen", SMALL)
    for file in list(folder.iterdir()):
        file.rename(tmp_path / file.name)
        file.symlink_to(tmp_path / file.name)
    (tmp_path / "link").symlink_to(folder)
    assert problems(tmp_path / "link") == []


def test_a_file_without_a_tensor_is_no_model(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    write_tensors(folder / "output.safetensors", {})
    assert problems(folder) == [
        "17 tensors are missing, the first is model.embed_tokens.weight",
    ]


def test_an_output_layer_of_its_own_that_is_missing_is_missed(tmp_path):
    folder = write_half(tmp_path / "half", tied=True)
    assert problems(folder, "transformers") == []
    change_json(folder / "config.json", tie_word_embeddings=False)
    assert problems(folder, "transformers") == ["1 tensors are missing, the first is lm_head"]


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
    with pytest.raises(ModelFilesError, match="cannot be read"):
        read_model(tmp_path / ("x" * 300))


@pytest.mark.parametrize("value", [7, "x", [1], {"a": 1}, [[]], True, ""])
@pytest.mark.parametrize(
    "name", ["architectures", "rope_scaling", "rope_parameters", "quantization_config"]
)
@pytest.mark.parametrize("engine", ["exllamav2", "transformers"])
def test_values_of_another_kind_are_named_and_break_nothing(tmp_path, name, value, engine):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "config.json", **{name: value})
    model = read_model(folder, engine)
    assert model.trained_tokens == 32_768
    is_right_kind = isinstance(value, list if name == "architectures" else dict)
    assert any(f"config.json: {name} is no" in line for line in model.problems) != is_right_kind


@pytest.mark.parametrize("value", [7, "x", {"a": 1}, [7], [{"content": []}], [{"id": "x"}]])
def test_a_tokenizer_of_nonsense_is_none_of_qwen(tmp_path, value):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "tokenizer.json", added_tokens=value)
    assert "does not know <|im_end|>" in problems(folder)[0]


@pytest.mark.parametrize("layers", [0, -1, 10**9, "many", 2.5])
def test_a_number_of_layers_that_no_model_has_is_refused(tmp_path, layers):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    change_json(folder / "config.json", num_hidden_layers=layers)
    with pytest.raises(ModelFilesError, match="describes no transformer: num_hidden_layers"):
        read_model(folder)


@pytest.mark.parametrize("original", [0, -1, "x", None])
def test_a_length_that_no_model_was_trained_for_is_passed_over(tmp_path, original):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    scaling = {"type": "yarn", "original_max_position_embeddings": original}
    change_json(folder / "config.json", rope_scaling=scaling)
    assert read_model(folder).trained_tokens == 32_768
