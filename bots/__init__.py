"""The upper floor: platforms, the HTTP door, the API, the command line and the composition root."""

import sys


def _load_structlog_alone() -> None:
    """Load structlog without rich, with which it would draw tracebacks in colours.

    Ours are plain (`config.logs`), typer brings rich along all the same, and loading it takes a
    tenth of a second and 3 MB of every start.
    """
    if "rich" in sys.modules or "structlog" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        import structlog  # noqa: F401, PLC0415
    finally:
        del sys.modules["rich"]


_load_structlog_alone()
