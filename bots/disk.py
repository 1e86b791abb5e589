"""The folder that the embedded parts write to, looked at before anything is opened there."""

import tempfile
from pathlib import Path

from config.errors import ConfigError


def check_state_dir(folder: Path) -> None:
    """Make the folder; raises ConfigError where this user cannot write there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"XIAOQ_STATE_DIR: holds {folder}, should be a folder that this user can write to "
            f"({error.strerror})"
        ) from error
