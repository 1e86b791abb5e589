"""Loads any causal language model that Transformers knows and that speaks Qwen's chat format."""

from importlib.util import find_spec
from pathlib import Path

import structlog
import torch

from config.engine import EngineSettings
from inference.engines.context import context_tokens
from inference.engines.faults import is_out_of_memory
from inference.engines.hf import Network, open_network
from inference.engines.hf_engine import NAME, TransformersEngine
from inference.jobs.engine import EngineFacts, LoadRefusedError, Progress
from inference.plan.model_files import ModelFilesError, read_model
from inference.plan.placement import GIB
from inference.text.tokenizer import TokenizerError, load_tokenizer

log = structlog.get_logger()

PROCESSOR_POOL_CONTEXTS = 2
"""On a processor the pool holds so many sequences of full length, unless a setting says else."""
POOL_SHARE = 0.8
"""Of a card's free memory; batches of rows are copied together on their way to attention."""


def load_transformers(settings: EngineSettings, progress: Progress) -> TransformersEngine:
    """Load what the settings say; raises LoadRefusedError with one line that says why not."""
    if fault := _unsupported(settings):
        raise LoadRefusedError(fault)
    folder = settings.model_dir or Path()
    try:
        files = read_model(folder, "transformers")
        tokenizer = load_tokenizer(folder)
    except (ModelFilesError, TokenizerError) as error:
        raise LoadRefusedError(str(error)) from error
    if files.problems:
        raise LoadRefusedError(f"{folder.name}: {'; '.join(files.problems)}")
    trained = files.shape.max_position_embeddings
    context = context_tokens(settings, trained)
    network = _open(settings, context if context > trained else None)
    progress(0.9)
    pool = _pool_tokens(settings, network, context)
    facts = EngineFacts(
        name=NAME,
        context_tokens=min(context, pool),
        pool_tokens=pool,
        page_tokens=1,
        batch=settings.batch,
        vocabulary=min(tokenizer.vocabulary, network.width),
        adapters=network.adapters,
    )
    log.info("model is loaded", device=_device(settings), pool_tokens=pool)
    progress(1.0)
    return TransformersEngine(network, tokenizer, settings, facts)


def _unsupported(settings: EngineSettings) -> str:
    """Say what was asked for that this engine does not do."""
    if settings.speculative != "off":
        return (
            f"the transformers engine does not guess ahead (speculative is {settings.speculative})"
        )
    if settings.cache != "fp16":
        return f"the transformers engine keeps its pool as it is (cache is {settings.cache})"
    if settings.placement == "tensor":
        return "the transformers engine lays whole layers onto cards (placement is tensor)"
    if settings.adapters and find_spec("peft") is None:
        return "adapters need peft, which is not installed; it comes with xiaoq[transformers]"
    if settings.device == "cuda" and not torch.cuda.is_available():
        return f"device is cuda, but torch {torch.__version__} sees no card"
    return ""


def _device(settings: EngineSettings) -> str:
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


def _open(settings: EngineSettings, yarn_context: int | None) -> Network:
    try:
        return open_network(
            settings.model_dir or Path(), _device(settings), yarn_context, settings.adapters
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:  # what Transformers says
        if is_out_of_memory(error):
            raise LoadRefusedError("memory ran out while the model was loaded") from error
        raise LoadRefusedError(f"the model cannot be loaded: {error}") from error


def _pool_tokens(settings: EngineSettings, network: Network, context: int) -> int:
    """How many tokens the running answers may share; raises LoadRefusedError for too many."""
    if _device(settings) == "cpu":
        return settings.pool_tokens or PROCESSOR_POOL_CONTEXTS * context
    cards = range(torch.cuda.device_count())
    free = sum(torch.cuda.mem_get_info(card)[0] - settings.reserve * GIB for card in cards)
    room = int(POOL_SHARE * free / network.token_bytes)
    wanted = settings.pool_tokens or room
    if wanted > room or wanted < 1:
        raise LoadRefusedError(f"pool_tokens is {wanted}, but the cards have room for {room}")
    return wanted
