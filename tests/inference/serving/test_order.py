from pathlib import Path

from config.engine import EngineSettings
from inference.serving.order import UnitOrder


def test_a_unit_reads_the_order_that_was_written_for_it():
    settings = EngineSettings(engine="transformers", model_dir=Path("models/qwen"), gpus=(1, 3))
    order = UnitOrder(name="1", settings=settings, socket=Path("/run/1.sock"), api_key="a-long-key")
    line = order.to_line()
    assert line.count(b"\n") == 1
    assert UnitOrder.from_line(line) == order


def test_printing_an_order_shows_no_key():
    assert "a-long-key" not in repr(
        UnitOrder(name="0", settings=EngineSettings(), api_key="a-long-key")
    )
