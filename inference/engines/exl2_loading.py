"""Loads an EXL2 model: checks, with numbers; then weights, pool and a trial at full length."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import structlog
import torch

from config.engine import PAGE_TOKENS, EngineSettings
from inference.engines import exl2
from inference.engines.context import context_tokens
from inference.engines.exl2_engine import Exl2Engine
from inference.jobs.engine import LoadRefusedError, OutOfMemoryError, Progress
from inference.plan.model_files import ModelFiles, ModelFilesError, read_model
from inference.plan.placement import GIB, Card, Demand, Layout, PlacementError, lay_out

log = structlog.get_logger()

WEIGHTS_SHARE = 0.9
"""Of the progress; the rest is for pool and trial."""
WHOLE_CARD = 1024.0
"""GiB; more than any card has."""
KIBIBYTE = 2.0**-20
"""In GiB."""
MODULES_PER_LAYER = 2
"""Attention and MLP, in the library's list of modules."""


def load_exl2(settings: EngineSettings, progress: Progress, *, paged: bool = True) -> Exl2Engine:
    """Load what the settings say onto the cards that are visible; raises LoadRefusedError."""
    with _refusals():
        if fault := _unsupported(settings, paged=paged):
            raise LoadRefusedError(fault)
        files = _read(settings.model_dir)
        draft = _read(settings.draft_dir) if settings.speculative == "draft" else None
        context = context_tokens(settings, files.trained_tokens)
        layout = lay_out(settings, _demand(settings, files, draft), _visible_cards())
        pool = pool_tokens(settings, layout, files, draft)
        log.info("model is being loaded", placement=layout.placement, pool_tokens=pool)
        parts = _load(settings, context, layout, pool, lambda p: progress(p * WEIGHTS_SHARE))
        engine = Exl2Engine(parts, settings, paged=paged)
        engine.rehearse()
    progress(1.0)
    return engine


def _unsupported(settings: EngineSettings, *, paged: bool) -> str:
    """Say what was asked for that cannot be had here."""
    if paged and not exl2.has_paged_attention():
        return (
            "flash-attn 2.5.7 or later is not installed; without it answers are written one after "
            "the other"
        )
    if settings.placement == "tensor" and (settings.adapters or settings.speculative == "draft"):
        return "placement tensor takes neither adapters nor a draft model"
    return ""


def pool_tokens(
    settings: EngineSettings, layout: Layout, files: ModelFiles, draft: ModelFiles | None
) -> int:
    """How large the pool is; raises LoadRefusedError if it does not fit."""
    room = layout.units[0].pool_tokens
    if draft is not None:
        each = files.shape.token_bytes(settings.cache)
        both = each + draft.shape.token_bytes(settings.cache)
        room = room * each // both // PAGE_TOKENS * PAGE_TOKENS
    wanted = settings.pool_tokens or room
    if wanted > room or wanted < PAGE_TOKENS:
        raise LoadRefusedError(f"pool_tokens is {wanted}, but the cards have room for {room}")
    return wanted


class Module(Protocol):
    """A part of a layer."""

    device_idx: int | None


class Layered(Protocol):
    """ExLlamaV2's model, as far as its layers are laid onto cards."""

    modules: Sequence[Module]

    def set_device_map(self, allocation: list[float]) -> object:
        """Lay the modules onto cards in order, by GiB for each card."""
        ...


def device_limits(model: Layered, layers: Sequence[int]) -> list[float]:
    """Find the library's `gpu_split` that puts so many layers on each card.

    It counts scratch in with the weights, in a way of its own; so it is asked, by bisection.
    """
    limits: list[float] = []
    for card, wanted in enumerate(layers[:-1]):
        least, most = 0.0, WHOLE_CARD
        while most - least > KIBIBYTE:
            middle = (least + most) / 2
            model.set_device_map([*limits, middle, WHOLE_CARD])
            held = sum(module.device_idx == card for module in model.modules)
            least, most = (middle, most) if held < MODULES_PER_LAYER * wanted else (least, middle)
        limits.append(most)
    return [*limits, WHOLE_CARD]


def _load(
    settings: EngineSettings, context: int, layout: Layout, pool: int, progress: Progress
) -> exl2.Parts:
    model = exl2.open_model(settings.model_dir or Path(), context, settings)
    if layout.placement == "tensor":
        shares = settings.gpu_split or _equal_shares(settings.reserve)
        exl2.load_tensor_parallel(model, shares, settings.cache, pool, progress)
    else:
        exl2.load_layers(model, device_limits(model, layout.units[0].layers), progress)
    parts = exl2.Parts(
        model=model,
        cache=exl2.make_cache(model, settings.cache, pool),
        tokenizer=exl2.open_tokenizer(model),
        context_tokens=context,
        adapters={each.name: exl2.load_adapter(model, each.folder) for each in settings.adapters},
    )
    if settings.speculative == "draft" and settings.draft_dir:
        return _with_draft(parts, settings.draft_dir, settings)
    return parts


def _with_draft(parts: exl2.Parts, folder: Path, settings: EngineSettings) -> exl2.Parts:
    """Load the small model that guesses ahead onto the first card."""
    model = exl2.open_model(folder, parts.context_tokens, settings)
    vocabulary = exl2.open_tokenizer(model).get_vocab_size()
    if vocabulary != parts.vocabulary:
        raise LoadRefusedError(
            f"the model in draft_dir knows {vocabulary} tokens, the other {parts.vocabulary}"
        )
    exl2.load_layers(model, [WHOLE_CARD], lambda _: None)
    cache = exl2.make_cache(model, settings.cache, parts.cache.max_seq_len)
    return replace(parts, draft_model=model, draft_cache=cache)


def _read(folder: Path | None) -> ModelFiles:
    files = read_model(folder or Path())
    if files.problems:
        raise LoadRefusedError(f"{files.folder.name}: {'; '.join(files.problems)}")
    return files


def _demand(settings: EngineSettings, files: ModelFiles, draft: ModelFiles | None) -> Demand:
    beside = draft.weights.on_card if draft else 0
    reserve = int(settings.reserve * GIB) + beside
    return Demand(files.shape, files.weights, settings.cache, reserve)


def _visible_cards() -> list[Card]:
    """The cards of this process, counted from 0; raises LoadRefusedError if there is none."""
    if not torch.cuda.is_available():
        raise LoadRefusedError(f"torch {torch.__version__} sees no card")
    cards = []
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        cards.append(Card(number, total, free, torch.cuda.get_device_name(number)))
    return cards


def _equal_shares(reserve: float) -> list[float]:
    cards = _visible_cards()
    return [min(card.free for card in cards) / GIB - reserve] * len(cards)


@contextmanager
def _refusals() -> Iterator[None]:
    """Make one readable line of what the libraries raise while a model is loaded."""
    try:
        yield
    except (ModelFilesError, PlacementError) as error:
        raise LoadRefusedError(str(error)) from error
    except (torch.OutOfMemoryError, OutOfMemoryError) as error:
        free = ", ".join(f"{card.free / GIB:.1f} GiB" for card in _visible_cards())
        raise LoadRefusedError(
            f"memory ran out while the model was loaded, {free} are free on the cards; "
            "use a smaller pool_tokens or a larger reserve"
        ) from error
    except (AssertionError, KeyError, OSError, ValueError) as error:  # ExLlamaV2's, of files
        raise LoadRefusedError(f"the model cannot be loaded: {error}") from error
