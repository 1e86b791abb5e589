"""A unit of the model server with a scripted engine: `python scripted_unit.py '{"answer": "好"}'`.

The argument is JSON: `answer`, `step_seconds`, `refuse` and `load_fault` (words), `load_hang`,
`fault` and `hang` (after so many steps).
"""

import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.engine import ScriptedEngine, byte_tokenizer

from inference.jobs.engine import EngineBrokenError, LoadRefusedError
from inference.jobs.job import Event
from inference.serving.unit import run_unit


class FaultyEngine(ScriptedEngine):
    """Breaks or hangs after some steps."""

    fault_after: int | None = None
    hang_after: int | None = None

    def step(self) -> list[Event]:
        """Say a letter of each answer, until it is time to fail."""
        if self.steps == self.fault_after:
            raise EngineBrokenError("sticky")
        if self.steps == self.hang_after:
            threading.Event().wait()
        return super().step()


def main() -> None:
    """Run as a program."""
    script = json.loads(sys.argv[1])
    engine = FaultyEngine(
        answer=script.get("answer", "好的"), step_seconds=script.get("step_seconds", 0.0)
    )
    engine.fault_after, engine.hang_after = script.get("fault"), script.get("hang")
    if why := script.get("refuse"):
        engine.load_fault = LoadRefusedError(why)
    if why := script.get("load_fault"):
        engine.load_fault = RuntimeError(why)
    if script.get("load_hang"):
        engine.allow(0)
    run_unit(lambda _, progress: engine.load(progress), lambda _: byte_tokenizer())


if __name__ == "__main__":
    main()
