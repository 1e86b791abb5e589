"""The process that reads one file: content on standard input, what it says on standard output.

It limits itself before the parsers are loaded; its environment is empty, so that a parser that was
taken over finds no secret.
"""

import json
import resource
import sys
from typing import BinaryIO

from core.files.kinds import Reason, UnreadableError


def limit_resources(memory_bytes: int, cpu_seconds: int) -> None:
    """Let this process have no more than this, write no file, fork and dump nothing."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def read(file: BinaryIO) -> dict[str, str]:
    """Kind and text of a file, or the reason why there are none."""
    from core.files.text import text_of  # noqa: PLC0415 - the limits come before the parsers

    try:
        kind, text = text_of(file.read())
    except UnreadableError as error:
        return {"reason": error.reason}
    except (MemoryError, RecursionError):
        return {"reason": Reason.TOO_HEAVY}
    except Exception as error:  # noqa: BLE001 - there is no end to what a broken file does to parsers
        return {"reason": Reason.DAMAGED, "error": type(error).__name__}
    return {"kind": kind, "text": text}


def main() -> None:
    """Read the file on standard input; what it says is one line of JSON."""
    memory_bytes, cpu_seconds = map(int, sys.argv[1:])
    limit_resources(memory_bytes, cpu_seconds)
    sys.stdout.write(json.dumps(read(sys.stdin.buffer)) + "\n")


if __name__ == "__main__":
    main()
