"""Engines by name. Only the chosen one's library is imported."""

import sys
from contextlib import redirect_stdout
from importlib.util import find_spec

import structlog

from config.engine import EngineSettings
from inference.jobs.engine import Engine, LoadRefusedError, Progress

log = structlog.get_logger()


def load_engine(settings: EngineSettings, progress: Progress) -> Engine:
    """Load a model; raises LoadRefusedError with one line that says why not."""
    # The libraries print to standard output, which is not theirs.
    with redirect_stdout(sys.stderr):
        try:
            if settings.engine == "exllamav2":
                return _load_exl2(settings, progress)
            if settings.engine == "transformers":
                return _load_transformers(settings, progress)
        except ModuleNotFoundError as error:
            raise LoadRefusedError(
                f"{error.name} is not installed; it comes with xiaoq[{settings.engine}]"
            ) from error
    raise LoadRefusedError("no engine is set; XIAOQ_INFERENCE__ENGINE names one")


def _load_exl2(settings: EngineSettings, progress: Progress) -> Engine:
    import torch  # noqa: PLC0415 - an extra

    if not torch.cuda.is_available():  # without a card exllamav2 fails to compile at import
        raise LoadRefusedError(
            f"exllamav2 needs an NVIDIA card; torch {torch.__version__} has none"
        )
    if find_spec("exllamav2_ext") is None:
        log.warning("exllamav2 was not built ahead: if it was not used before it compiles for long")
    from inference.engines.exl2_loading import load_exl2  # noqa: PLC0415 - an extra

    return load_exl2(settings, progress)


def _load_transformers(settings: EngineSettings, progress: Progress) -> Engine:
    from inference.engines.hf_loading import load_transformers  # noqa: PLC0415 - an extra

    return load_transformers(settings, progress)
