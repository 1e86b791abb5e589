import pytest
from peers.model_folder import SMALL, change_json, write_exl2, write_half
from typer.testing import CliRunner, Result

from bots.model_plan import parse_cards, parse_tokens
from bots.models import cli
from inference.plan.placement import GIB
from inference.plan.shape import QWEN25_7B


def model(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def test_the_plan_tells_memory_conversations_and_speed_of_every_placement():
    out = model("plan", "--gpus", "4x24", "--bpw", "4.0", "--context", "8k").output
    rows = {line[:20].strip(): line[20:].split("  ") for line in out.splitlines() if "  " in line}
    cells = {title: [cell.strip() for cell in row if cell] for title, row in rows.items()}
    assert cells["processes"] == ["4 x 1 card", "1 x 4 cards", "1 x 4 cards"]
    assert cells["conversations"] == ["160", "181", "184"]
    assert cells["one chat, at most"][0] == "243 tokens/s"
    assert cells["all cards, at most"][:2] == ["974 tokens/s", "243 tokens/s"]


def test_the_plan_says_what_auto_takes_what_is_computed_and_what_is_assumed():
    out = model("plan").output
    assert "auto takes replicas: one card holds model and pool (328960 tokens, 8192 needed)" in out
    assert "Computed: weights 3.42 GiB" in out
    assert "Assumed: 2.0 GiB" in out


def test_the_plan_says_why_a_placement_cannot_be():
    out = model("plan", "--gpus", "1x8", "--bpw", "16").output
    assert "replicas: card 0 has 8.0 GiB free, but 16." in out
    assert "split: placement split needs two cards or more" in out
    assert "auto takes nothing" in out


def test_the_plan_of_a_folder_takes_its_own_bits(tmp_path):
    folder = write_exl2(tmp_path / "qwen")
    assert "qwen (4.04 bpw, head 6.0), cache q8" in model("plan", folder, "--cache", "q8").output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--gpus", "four"),
        ("--gpus", "0x24"),
        ("--context", "long"),
        ("--context", "129k"),
        ("/nowhere",),
        ("x" * 300,),
    ],
)
def test_a_plan_of_nonsense_is_refused_in_a_line(arguments):
    result = model("plan", *arguments)
    assert result.exit_code == 1
    assert result.output.count("\n") == 1


def test_a_plan_says_when_conversations_are_longer_than_the_model_was_trained_for():
    yarn = "more than the 32,768 that the model was trained for"
    assert yarn in " ".join(model("plan", "--context", "33k").output.split())
    assert "trained for" not in model("plan", "--context", "32k").output
    refused = model("plan", "--context", "9999999k").output
    assert "10239998976 tokens, but the model takes 32768, with yarn up to 131072" in refused


@pytest.mark.parametrize("cache", ["q8", "q6", "q4"])
def test_a_plan_does_not_call_a_cache_fast_that_is_written_out_for_every_token(cache):
    def speed(cache: str) -> int:
        out = model("plan", "--cache", cache, "--context", "32k").output
        (line,) = (line for line in out.splitlines() if line.startswith("one chat"))
        return int(line.split()[4])

    assert speed(cache) < speed("fp16") == 182


def test_reasons_are_not_longer_than_a_line():
    out = model("plan", "--gpus", "4x3").output
    assert max(len(line) for line in out.splitlines()) <= 100


def test_a_plan_of_a_folder_without_weights_is_refused(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    (folder / "output.safetensors").unlink()
    result = model("plan", folder)
    assert result.exit_code == 1
    assert result.output == f"{folder}: there is no .safetensors file\n"


def test_a_bandwidth_without_end_is_refused():
    assert model("plan", "--bandwidth", "inf").exit_code == 2


def test_cards_and_tokens_are_read_as_people_write_them():
    assert [card.total / GIB for card in parse_cards("2x24, 16")] == [24, 24, 16]
    assert (parse_tokens("8k"), parse_tokens("32K"), parse_tokens("8192")) == (8192, 32768, 8192)


def test_the_check_of_a_good_folder_says_bits_and_that_it_fits(tmp_path):
    result = model("check", write_exl2(tmp_path / "qwen"))
    assert result.exit_code == 0
    assert "EXL2, 4.04 bits a weight, 6.03 in the output layer" in result.output
    assert "fits: replicas" in result.output
    assert result.output.endswith(": good\n")


def test_the_check_says_what_is_wrong_and_fails(tmp_path):
    result = model("check", write_half(tmp_path / "half", SMALL))
    assert result.exit_code == 1
    assert "! is not quantised" in result.output
    assert "cannot be used as it is" in result.output


def test_the_check_counts_what_the_engine_puts_on_cards(tmp_path):
    """Transformers has the embedding there, too, but a tied one once."""
    shape = SMALL.model_copy(update={"hidden_size": 2048})
    size = shape.head_parameters * 2
    for tied, times in ((False, 2), (True, 1)):
        folder = write_half(tmp_path / f"{tied}", shape, tied=tied)
        result = model("check", folder, "--engine", "transformers")
        layers = shape.num_hidden_layers * shape.layer_parameters * 2
        on_cards = f"{(layers + times * size) / GIB:.2f} GiB for cards, "
        assert on_cards + f"{(layers + times * size) / 1e9:.2f} GB of files" in result.output


def test_the_check_does_not_split_what_transformers_has_whole(tmp_path):
    folder = write_half(tmp_path / "half", QWEN25_7B)
    result = model("check", folder, "--engine", "transformers", "--gpus", "4x14")
    assert "does not fit: card 0 has 14.0 GiB free, but" in result.output


def test_the_check_tells_for_how_long_a_stretched_model_was_trained(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
    change_json(folder / "config.json", rope_scaling=scaling, max_position_embeddings=131_072)
    assert "trained for 32768 tokens" in model("check", folder).output


def test_the_check_of_a_folder_without_weights_does_not_say_that_they_fit(tmp_path):
    folder = write_exl2(tmp_path / "qwen", SMALL)
    (folder / "output.safetensors").unlink()
    output = model("check", folder).output
    assert "! there is no .safetensors file" in output
    assert "fits" not in output
    assert "0.00" not in output


def test_the_check_says_when_it_does_not_fit(tmp_path):
    result = model("check", write_exl2(tmp_path / "qwen"), "--gpus", "4")
    assert "does not fit: card 0 has 4.0 GiB free" in result.output


def test_the_check_of_no_model_is_refused_in_a_line(tmp_path):
    result = model("check", tmp_path)
    assert result.exit_code == 1
    assert result.output == "config.json: cannot be read (No such file or directory)\n"
