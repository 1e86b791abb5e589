"""How long a sequence may be, for all engines."""

from config.engine import EngineSettings
from inference.jobs.engine import LoadRefusedError

YARN_FACTOR = 4
"""How much longer than trained a context may be (Qwen2.5's model card)."""


def context_tokens(settings: EngineSettings, trained: int) -> int:
    """Say how long a sequence may be; raises LoadRefusedError for longer than the model can."""
    wanted = settings.max_seq_len or trained
    most = trained * YARN_FACTOR if settings.yarn else trained
    if wanted > most:
        hint = "" if settings.yarn else "; XIAOQ_INFERENCE__YARN=true allows four times that"
        raise LoadRefusedError(
            f"max_seq_len is {wanted}, but the model was trained for {trained}{hint}"
        )
    return wanted
