from importlib.util import find_spec, module_from_spec
from types import ModuleType, SimpleNamespace

import pytest
from peers import exl2_stub

torch = pytest.importorskip("torch", reason="needs torch: make test-model")
transformers = pytest.importorskip("transformers", reason="needs transformers: make test-model")

from inference.engines.yarn import (  # noqa: E402
    reference_yarn,
    yarn_attention,
    yarn_frequencies,
)

pytestmark = pytest.mark.model


@pytest.mark.parametrize("factor", [1.5, 2.0, 4.0])
def test_all_frequencies_and_the_attention_factor_are_those_of_transformers(factor):
    from transformers import Qwen2Config
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = Qwen2Config(
        hidden_size=3584,
        num_attention_heads=28,
        max_position_embeddings=int(32_768 * factor),
        rope_parameters={
            "rope_type": "yarn",
            "rope_theta": 1_000_000.0,
            "factor": factor,
            "original_max_position_embeddings": 32_768,
        },
    )
    expected, attention = ROPE_INIT_FUNCTIONS["yarn"](config, torch.device("cpu"))
    ours = torch.tensor(yarn_frequencies(128, 1_000_000.0, factor, 32_768))
    assert len(ours) == len(expected) == 64
    assert torch.allclose(ours, expected, rtol=1e-6, atol=0)
    assert yarn_attention(factor) == pytest.approx(attention, abs=1e-6)


def test_the_librarys_own_frequencies_are_wrong_where_ours_replace_them():
    exl2_stub.install()
    their = _fresh("exllamav2.rope")
    config = SimpleNamespace(
        head_dim=128,
        partial_rotary_factor=1.0,
        scale_alpha_value=1.0,
        max_seq_len=131_072,
        yarn_rope_factor=4.0,
        yarn_rope_original_max_position_embeddings=32_768,
    )
    theirs, attention = their.get_rope_params_yarn("cpu", config, 1_000_000.0)
    ours, factor = reference_yarn("cpu", config, 1_000_000.0)
    off = theirs / ours
    assert int(((off - 1).abs() > 0.01).sum()) == 23
    assert float(off.max()) == pytest.approx(2.24, abs=0.01)
    assert factor == pytest.approx(attention)


def _fresh(name: str) -> ModuleType:
    """A module as its file says, whatever has been done to the one that is loaded."""
    spec = find_spec(name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
