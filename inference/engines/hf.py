"""Transformers, as far as the engine needs it. No other file imports it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers

from config.engine import AdapterSettings
from inference.engines.past import Rows


class Network:
    """A causal language model with its adapters."""

    def __init__(self, model: torch.nn.Module, adapters: Sequence[str] = ()) -> None:
        """Adapters are those that the model has loaded, by name."""
        self._model = model.eval()
        self.adapters = tuple(adapters)

    @property
    def width(self) -> int:
        """How many logits there are; some may belong to no token."""
        return int(self._model.config.vocab_size)

    @property
    def ends(self) -> frozenset[int]:
        """The tokens that end an answer, as the model's files say."""
        named = self._model.generation_config.eos_token_id
        return frozenset(named if isinstance(named, list) else [] if named is None else [named])

    @property
    def token_bytes(self) -> int:
        """Memory of a token's keys and values in all layers."""
        config = self._model.config
        size = getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
        each = 2 * config.num_key_value_heads * size * self._model.dtype.itemsize
        return int(config.num_hidden_layers * each)

    def read(self, rows: Rows, tokens: Sequence[Sequence[int]], adapter: str) -> torch.Tensor:
        """Read as many tokens of each row, and return the logits after the last: (rows, width)."""
        device = self._model.device
        given = torch.tensor(tokens, device=device)
        count = given.shape[1]
        with torch.no_grad(), self._chosen(adapter):
            result = self._model(
                input_ids=given,
                attention_mask=rows.mask(count, device),
                position_ids=rows.positions(count, device),
                cache=rows,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: torch.Tensor = result.logits[:, -1]
        return logits

    def close(self) -> None:
        """Let go of the weights."""
        self._model = torch.nn.Module()

    @contextmanager
    def _chosen(self, adapter: str) -> Iterator[None]:
        if self.adapters and not adapter:
            with self._model.disable_adapter():
                yield
            return
        if adapter:
            self._model.set_adapter(adapter)
        yield


def open_network(
    folder: Path, device: str, yarn_context: int | None, adapters: Sequence[AdapterSettings]
) -> Network:
    """Load a model in 16 bits onto cards, in 32 on a processor; raises OSError or ValueError.

    `yarn_context` is how long a context to stretch the positions for, if it is to be stretched.
    """
    transformers.utils.logging.disable_progress_bar()
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    if yarn_context:
        trained = config.max_position_embeddings
        config.rope_parameters = {
            **config.rope_parameters,
            "rope_type": "yarn",
            "factor": yarn_context / trained,
            "original_max_position_embeddings": trained,
        }
        config.max_position_embeddings = yarn_context
    several = device == "cuda" and torch.cuda.device_count() > 1
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder,
        config=config,
        local_files_only=True,
        attn_implementation="sdpa",
        dtype=torch.bfloat16 if device == "cuda" else torch.float32,
        device_map="balanced" if several else device,
    )
    return Network(_adapt(model, adapters), [each.name for each in adapters])


def _adapt(model: torch.nn.Module, adapters: Sequence[AdapterSettings]) -> torch.nn.Module:
    """Load adapters with peft; those that Transformers 5.24 loads itself forget one another."""
    if not adapters:
        return model
    import peft  # noqa: PLC0415 - slow to import, and needed by few

    first, *others = adapters
    adapted = peft.PeftModel.from_pretrained(model, str(first.folder), adapter_name=first.name)
    for each in others:
        adapted.load_adapter(str(each.folder), adapter_name=each.name)
    return adapted
