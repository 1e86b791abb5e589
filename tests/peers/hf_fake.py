"""A model without weights for the Transformers engine: it says what it is told to say.

What it answers to is read from keys and values that the engine hands it, and each token's entry
depends on all before it and on the adapter: what belongs to another text, or was never written,
does not go unnoticed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import torch
from peers.exl2_fake import PRIME, TOKENIZER, Speak, write_logits

from config.engine import EngineSettings
from inference.engines.hf import Network
from inference.engines.hf_engine import NAME, TransformersEngine
from inference.jobs.engine import EngineFacts
from inference.text.tokenizer import Mark


@dataclass(eq=False)
class ScriptedModel:
    """One layer keeps the tokens, another a number made of all tokens up to each."""

    speak: Speak
    adapters: dict[str, int]
    before: Callable[[int, bool], None] = lambda count, reading: None
    """Called before each forward pass with the tokens of a row and whether it reads a prompt."""
    read: list[int] = field(default_factory=list)
    """How many tokens each reading of a prompt took."""
    widths: list[int] = field(default_factory=list)
    """How many answers each other pass went on with."""
    adapter: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.config = SimpleNamespace(vocab_size=TOKENIZER.vocabulary + 5)
        self.generation_config = SimpleNamespace(eos_token_id=TOKENIZER.id_of(Mark.END))

    def eval(self) -> "ScriptedModel":
        return self

    def set_adapter(self, name: str) -> None:
        self.adapter = self.adapters[name]

    @contextmanager
    def disable_adapter(self) -> Iterator[None]:
        self.adapter = 0
        yield
        self.adapter = -1

    def __call__(
        self, input_ids, attention_mask, position_ids, cache, use_cache, logits_to_keep
    ) -> SimpleNamespace:
        rows, count = input_ids.shape
        reading = count > 1
        self.before(count, reading)
        (self.read if reading else self.widths).append(rows * count if reading else rows)
        tokens, _ = _write(cache, 0, input_ids)
        seen = attention_mask[:, 0, -1]
        chains = [self._chain(row, mask) for row, mask in zip(tokens, seen, strict=True)]
        added = torch.stack(
            [chain[places] for chain, places in zip(chains, position_ids, strict=True)]
        )
        kept, _ = _write(cache, 1, added)
        logits = torch.zeros((rows, 1, self.config.vocab_size))
        for row in range(rows):
            size = int(position_ids[row, -1]) + 1
            assert position_ids[row].tolist() == list(range(size - count, size))
            causal = torch.arange(attention_mask.shape[-1]) <= position_ids[row][:, None]
            assert torch.equal(attention_mask[row, 0], causal)
            assert torch.equal(kept[row, :size], chains[row]), "what was kept is not of this text"
            known = tokens[row, :size].tolist()
            # Within a prompt nobody asks what comes next.
            if TOKENIZER.id_of(Mark.START) in known:
                write_logits(logits[row, 0], self.speak(known))
        return SimpleNamespace(logits=logits)

    def _chain(self, tokens: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        known = tokens[: int(seen.sum())]
        steps = (known + 1) * (torch.arange(len(known)) + 1) * (self.adapter + 1)
        return steps.cumsum(0) % PRIME


def _write(cache, layer: int, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    entries = numbers[:, None, :, None]
    keys, values = cache.update(entries, entries.clone(), layer, kwargs={})
    assert torch.equal(keys, values)
    return keys[:, 0, :, 0], values[:, 0, :, 0]


def hf_engine(speak: Speak, pool: int, adapters: dict[str, int], **settings) -> TransformersEngine:
    network = Network(ScriptedModel(speak, adapters), list(adapters))
    chosen = EngineSettings(**settings)
    facts = EngineFacts(
        NAME, min(4096, pool), pool, 1, chosen.batch, TOKENIZER.vocabulary, network.adapters
    )
    return TransformersEngine(network, TOKENIZER, chosen, facts)
