"""The real scheduler, page cache and sampler of ExLlamaV2, under a model without weights."""

import pytest
from peers import exl2_stub

exl2_stub.install()

from peers.exl2_fake import GREEDY, fake_engine, prompt, says, work  # noqa: E402

from inference.serving.job import Job  # noqa: E402

pytestmark = pytest.mark.model


def test_an_answer_is_streamed_until_the_model_ends_it():
    told = work(fake_engine(says("Hello, world")), Job("a", prompt("hi"), 50, GREEDY))["a"]
    assert told.text == "Hello, world"
    assert told.end.reason == "stop"
    assert len(told.pieces) > 3
