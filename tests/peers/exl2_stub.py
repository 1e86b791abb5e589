"""ExLlamaV2's compiled part in Python, as far as its scheduler needs it.

The wheel is pure Python and compiles its C++ and CUDA at import. With this module in its place the
real scheduler and page cache run on any machine that has torch. Each function does what its
namesake in exllamav2_ext (0.3.2) does; `install` puts them there, or skips the test.
"""

import importlib.util
import sys
from itertools import pairwise
from types import ModuleType

import numpy as np
import pytest


def install() -> None:
    """Make `import exllamav2` work without a card; skips the module that cannot have it."""
    pytest.importorskip("torch", reason="needs torch: make test-model")
    if importlib.util.find_spec("exllamav2") is None:
        pytest.skip("needs exllamav2: make test-model", allow_module_level=True)
    if "exllamav2_ext" not in sys.modules:
        if importlib.util.find_spec("exllamav2_ext") is not None:
            pytest.skip(
                "has the real extension: the gpu tests run instead", allow_module_level=True
            )
        module = ModuleType("exllamav2_ext")
        for function in FUNCTIONS:
            setattr(module, function.__name__, function)
        sys.modules["exllamav2_ext"] = module
    import exllamav2.attn

    exllamav2.attn.has_flash_attn_with_paged = True


def count_match(page, ids, most):
    """Count equal tokens from the left, at most so many."""
    length = min(most, ids.shape[-1])
    differ = (page[0, :length] != ids[0, :length]).nonzero()
    return int(differ[0]) if len(differ) else length


def partial_strings_match(text, offsets, strings):
    """Find a string in a text: its place, -2 if one may begin at the end, or -1."""
    text = text.tobytes().decode("utf-32-le")
    bounds = np.frombuffer(offsets.tobytes(), dtype=np.int32)
    whole = strings.tobytes()
    for start, end in pairwise(bounds):
        wanted = whole[start:end].decode("utf-32-le")
        for at in range(len(text)):
            rest = text[at:]
            if rest.startswith(wanted):
                return at
            if wanted.startswith(rest):
                return -2
    return -1


def cache_rotate(cache, order, buffer):
    """Move pages around in a ring."""
    flat = buffer.view(-1)
    flat.copy_(cache[order[0]])
    for target, source in pairwise(order.tolist()):
        cache[target] = cache[source]
    cache[order[-1]] = flat


FUNCTIONS = (
    count_match,
    partial_strings_match,
    cache_rotate,
)
