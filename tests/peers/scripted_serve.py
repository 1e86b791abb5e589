"""`xiaoq model serve` with units whose engine is scripted.

`python scripted_serve.py SETTINGS SCRIPT`, both JSON: settings of the engine, and what
`scripted_unit` is told.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import typer
from peers import scripted_unit

from bots.model_serve import serve_model
from bots.stopping import run_until_stopped
from config.engine import EngineSettings
from config.logs import configure_logging
from config.settings import LogSettings
from inference.units.keeper import Programme


def main() -> None:
    """Run as a program."""
    settings = EngineSettings.model_validate(json.loads(sys.argv[1]))
    command = (sys.executable, str(Path(scripted_unit.__file__)), sys.argv[2])
    logs = LogSettings(format="json")
    configure_logging(logs)
    try:
        run_until_stopped(lambda stop: serve_model(settings, logs, stop, Programme(command)))
    except typer.Exit as end:
        sys.exit(end.exit_code)


if __name__ == "__main__":
    main()
