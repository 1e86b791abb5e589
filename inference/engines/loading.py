"""Engines by name. Only the chosen one's library is imported."""

from config.engine import EngineSettings
from inference.serving.engine import Engine, LoadRefusedError, Progress


def load_engine(settings: EngineSettings, progress: Progress) -> Engine:
    """Load a model; raises LoadRefusedError with one line that says why not."""
    try:
        if settings.engine == "exllamav2":
            from inference.engines.exl2_loading import load_exl2  # noqa: PLC0415 - an extra

            return load_exl2(settings, progress)
        if settings.engine == "transformers":
            from inference.engines.hf import load_transformers  # noqa: PLC0415 - an extra

            return load_transformers(settings, progress)
    except ModuleNotFoundError as error:
        raise LoadRefusedError(
            f"{error.name} is not installed; install xiaoq[{settings.engine}]"
        ) from error
    raise LoadRefusedError("no engine is set; XIAOQ_INFERENCE__ENGINE names one")
