import pytest
from pydantic import ValidationError

from config.engine import EngineSettings
from config.errors import ConfigError
from config.loading import load_settings


def test_without_an_engine_no_model_is_run():
    assert EngineSettings().engine is None


def test_an_engine_needs_a_model():
    with pytest.raises(ValidationError, match="should have the folder of a model"):
        EngineSettings(engine="exllamav2")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"gpus": [0, 0]}, "each once"),
        ({"gpus": [-1]}, "from 0"),
        ({"placement": "split", "gpu_split": [20, 0]}, "above 0"),
        ({"gpu_split": [20, 20]}, "with placement auto"),
        ({"placement": "split", "gpus": [0, 1], "gpu_split": [20]}, "1 numbers .* for 2 gpus"),
        ({"placement": "tensor", "gpus": [3]}, "on one card"),
        ({"speculative": "draft"}, "without draft_dir"),
        ({"pool_tokens": 1000}, "multiple of 256"),
        ({"prefill_chunk": 300}, "multiple of 256"),
        ({"adapters": [{"name": "a", "folder": "x"}] * 2}, 'two adapters named "a"'),
    ],
)
def test_what_cannot_be_is_refused_in_words(given, complaint):
    with pytest.raises(ValidationError, match=complaint):
        EngineSettings(**given)


def test_engine_and_folder_may_come_from_different_sources(tmp_path, monkeypatch):
    for name in ("personas", "knowledge", "words"):
        (tmp_path / "config" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yaml").write_text("inference: {model_dir: models/qwen}", encoding="utf-8")
    environ = {"XIAOQ_CONFIG": "x.yaml", "XIAOQ_INFERENCE__ENGINE": "exllamav2"}
    settings = load_settings(environ, tmp_path / "none")
    assert settings.inference.engine == "exllamav2"
    assert str(settings.inference.model_dir) == "models/qwen"


def test_an_engine_that_no_source_gives_a_folder_is_named_with_its_group(tmp_path, monkeypatch):
    for name in ("personas", "knowledge", "words"):
        (tmp_path / "config" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^XIAOQ_INFERENCE: has an engine without model_dir"):
        load_settings({"XIAOQ_INFERENCE__ENGINE": "exllamav2"}, tmp_path / "none")


def test_the_key_of_the_model_server_is_not_printed():
    assert "long-secret" not in repr(EngineSettings(api_key="long-secret-key"))
