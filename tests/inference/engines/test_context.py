import pytest

from config.engine import EngineSettings
from inference.engines.context import context_tokens
from inference.jobs.engine import LoadRefusedError


def test_a_context_longer_than_trained_needs_yarn_and_has_an_end():
    assert context_tokens(EngineSettings(), 32_768) == 32_768
    assert context_tokens(EngineSettings(max_seq_len=4096), 32_768) == 4096
    with pytest.raises(LoadRefusedError, match=r"65536.*trained for 32768.*YARN=true"):
        context_tokens(EngineSettings(max_seq_len=65_536), 32_768)
    assert context_tokens(EngineSettings(max_seq_len=131_072, yarn=True), 32_768) == 131_072
    with pytest.raises(LoadRefusedError, match="262144"):
        context_tokens(EngineSettings(max_seq_len=262_144, yarn=True), 32_768)
