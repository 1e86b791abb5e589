"""A worker's name that outlives its process.

Workers are known to Redis by name. A name held by a file lock is free again the moment its process
dies, so a restarted worker gets the same one and takes its own lanes back at once, without waiting
for a lease.
"""

import fcntl
import os
import secrets
import socket
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path


@contextmanager
def worker_name(state_dir: Path) -> Generator[str, None, None]:
    """Hold the first free name of this state folder."""
    folder = state_dir / "workers"
    folder.mkdir(parents=True, exist_ok=True)
    for number in count():
        descriptor = os.open(folder / str(number), os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+") as slot:
            try:
                fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            name = slot.read().strip()
            if not name:
                name = f"{socket.gethostname()}-{secrets.token_hex(6)}"
                slot.write(name)
                slot.flush()
            yield name
            return
