import json
import re
from dataclasses import replace

import pytest
from peers.model_folder import SMALL, change_json, write_exl2, write_half

from inference.plan.conversion import Conversion, check_conversion
from inference.plan.shape import QWEN25_7B


@pytest.fixture
def conversion(tmp_path):
    source = write_half(tmp_path / "half", SMALL)
    change_json(source / "config.json", bos_token_id=151_643)
    return Conversion(source, tmp_path / "made", tmp_path / "work")


def test_a_model_that_lacks_what_the_converter_needs_is_refused(tmp_path, conversion):
    change_json(conversion.source / "config.json", bos_token_id=None)
    (problem,) = check_conversion(conversion)
    assert "no bos_token_id" in problem
    nowhere = Conversion(tmp_path / "none", tmp_path / "made", tmp_path / "work")
    assert check_conversion(nowhere) == [f"{tmp_path / 'none'}: {tmp_path / 'none'} is no folder"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"bos_token_id": None}, "config.json has no bos_token_id, .* Qwen2.5 has 151643"),
        ({"rope_theta": None}, "config.json: has no rope_theta .* add it: 1000000.0 for Qwen2.5"),
        ({"rope_scaling": {"type": "yarn", "rope_type": "yarn"}}, "rope_scaling has both type and"),
    ],
)
def test_what_would_fail_at_the_end_is_told_before_the_beginning(conversion, values, told):
    config = conversion.source / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | values))
    (problem,) = check_conversion(conversion)
    assert re.search(told, problem)


def test_what_is_quantised_already_is_refused(tmp_path):
    source = write_exl2(tmp_path / "qwen", SMALL)
    change_json(source / "config.json", bos_token_id=151_643)
    (problem,) = check_conversion(Conversion(source, tmp_path / "made", tmp_path / "work"))
    assert "is EXL2" in problem


def test_folders_that_hold_something_else_are_refused(conversion):
    conversion.target.mkdir()
    (conversion.target / "x").touch()
    conversion.work.mkdir()
    (conversion.work / "x").touch()
    assert [line.rpartition(": ")[2] for line in check_conversion(conversion)] == [
        "is not empty and holds no conversion; name another",
        "is there and not empty; name another",
    ]


def test_a_conversion_to_something_else_is_not_gone_on_with(conversion):
    conversion.work.mkdir()
    job = {"in_dir": str(conversion.source), "bits": 6.0, "head_bits": 6, "progress": "quant"}
    (conversion.work / "job_new.json").write_text(json.dumps(job))
    (problem,) = check_conversion(conversion)
    assert "holds a conversion of" in problem
    assert "to 6 bits" in problem
    (conversion.work / "job_new.json").write_text(json.dumps(job | {"invalid": True}))
    assert "was cut off while its state was written" in check_conversion(conversion)[0]


def test_a_conversion_to_another_folder_is_not_gone_on_with(conversion):
    """The converter keeps to the folder that it was given first."""
    conversion.work.mkdir()
    job = {"in_dir": str(conversion.source), "bits": 4.0, "head_bits": 6, "progress": "quant"}
    (conversion.work / "job_new.json").write_text(json.dumps(job | {"compile_full": "/first"}))
    (problem,) = check_conversion(conversion)
    assert problem.endswith("that makes /first; name another, or convert to that")


@pytest.mark.parametrize("state", ["", '{"in_dir": "/x", "bits', "[]", '{"bits": "x"}'])
def test_a_state_that_was_cut_off_is_said_to_be(conversion, state):
    conversion.work.mkdir()
    (conversion.work / "job_new.json").write_text(state)
    assert check_conversion(conversion) == [
        f"{conversion.work}: was cut off while its state was written; delete it, begin again"
    ]


def test_a_measurement_outlives_a_state_that_was_cut_off(conversion):
    conversion.work.mkdir()
    (conversion.work / "job_new.json").write_text('{"in_dir": "/mo')
    (conversion.work / "measurement.json").write_text("{}")
    assert check_conversion(conversion) == [
        f"{conversion.work}: was cut off while its state was written; delete it, begin again "
        "(with --measurement and a copy of its measurement.json nothing is measured twice)"
    ]


def test_layers_without_a_state_are_not_written_over(conversion):
    (conversion.work / "out_tensor").mkdir(parents=True)
    assert check_conversion(conversion) == []
    (conversion.work / "out_tensor" / "lm_head.safetensors").touch()
    (problem,) = check_conversion(conversion)
    assert problem.endswith("is not empty and holds no conversion; name another")


def test_files_in_the_place_of_folders_are_refused(conversion):
    conversion.work.touch()
    conversion.target.touch()
    assert check_conversion(conversion) == [
        f"{conversion.work}: is no folder; name another",
        f"{conversion.target}: is no folder; name another",
    ]


@pytest.mark.parametrize("below", ["", "work"])
def test_work_does_not_lie_in_what_is_made(conversion, below):
    odd = replace(conversion, work=conversion.target / below)
    assert check_conversion(odd) == [f"{odd.work}: lies in {odd.target}; name another"]


def test_a_disk_that_is_too_small_is_named_with_numbers(conversion):
    vast = QWEN25_7B.model_copy(update={"vocab_size": 1 << 40})
    change_json(conversion.source / "config.json", vocab_size=vast.vocab_size)
    (problem,) = check_conversion(conversion)
    assert "GB free, " in problem
    assert problem.endswith("GB are needed")
