"""Where unix sockets lie: their paths have to be short."""

import hashlib
import os
import tempfile
from pathlib import Path

from config.errors import ConfigError

SOCKET_PATH_LIMIT = 100
"""Linux allows 107 bytes for a unix socket's path (unix(7)); some room is left."""


def socket_folder(folder: Path, longest_name: str) -> Path:
    """The folder itself, or one among temporary files where its path is too long for a socket.

    Raises ConfigError if that one is somebody else's.
    """
    if len(os.fsencode(folder / longest_name)) <= SOCKET_PATH_LIMIT:
        return folder
    digest = hashlib.blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    short = Path(tempfile.gettempdir()) / f"xiaoq-{os.getuid()}-{digest}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.stat().st_uid != os.getuid():
        raise ConfigError(
            f"XIAOQ_STATE_DIR: holds a path too long for a socket, and {short} is not ours"
        )
    return short
