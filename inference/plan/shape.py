"""A transformer's dimensions, and what they cost in bytes. Pure arithmetic.

The rules are those of ExLlamaV2 0.3.2 for Llama-like models: quantised linear layers, embedding in
the machine's own memory, biases and norms small enough to leave out (0.1 % of a 7B).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from pydantic import BaseModel, Field, model_validator

from config.engine import CacheName

FP16_BYTES = 2
_CACHE_BITS: Mapping[CacheName, Fraction] = {
    "fp16": Fraction(16),
    "q8": Fraction(17, 2),
    "q6": Fraction(13, 2),
    "q4": Fraction(9, 2),
}
"""Bits per element: blocks of 32 elements share an fp16 scale, q6 is 8-bit keys, 4-bit values."""


class ModelShape(BaseModel, frozen=True):
    """Dimensions under their names in config.json; others there are passed over."""

    hidden_size: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    num_hidden_layers: int = Field(gt=0, le=1000)
    num_attention_heads: int = Field(gt=0)
    num_key_value_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    vocab_size: int = Field(gt=0)
    max_position_embeddings: int = Field(default=32_768, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: object) -> object:
        """Older configs leave out what follows from the rest."""
        if not isinstance(given, Mapping):
            return given
        heads, hidden = given.get("num_attention_heads"), given.get("hidden_size")
        derived: dict[str, object] = {"num_key_value_heads": heads}
        if isinstance(heads, int) and isinstance(hidden, int) and heads > 0:
            derived["head_dim"] = hidden // heads
        present = {name: value for name, value in given.items() if value is not None}
        return derived | present

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer's attention and MLP."""
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        attention = self.hidden_size * (2 * queries + 2 * keys)
        return attention + 3 * self.hidden_size * self.intermediate_size

    @property
    def head_parameters(self) -> int:
        """Weights of the output layer; the embedding has as many."""
        return self.hidden_size * self.vocab_size

    def token_bytes(self, cache: CacheName) -> int:
        """What the pool keeps of one token, over all layers."""
        return self.num_hidden_layers * self.layer_token_bytes(cache)

    def layer_token_bytes(self, cache: CacheName) -> int:
        """What the pool keeps of one token in one layer."""
        elements = 2 * self.num_key_value_heads * self.head_dim
        return int(elements * _CACHE_BITS[cache] / 8)

    def staging_bytes(self, cache: CacheName) -> int:
        """What a quantised cache adds on every card for each token: one layer of it in fp16."""
        return 0 if cache == "fp16" else self.layer_token_bytes("fp16")


QWEN25_7B = ModelShape(
    hidden_size=3584,
    intermediate_size=18_944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    head_dim=128,
    vocab_size=152_064,
    max_position_embeddings=32_768,
)
"""Qwen2.5-7B-Instruct, from its config.json."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of a model's weights."""

    layers: int
    """Of all layers together."""
    head: int
    embedding: int
    """Stays in the machine's own memory."""

    @property
    def on_card(self) -> int:
        """What the cards hold together, and what each token reads."""
        return self.layers + self.head

    @property
    def file(self) -> int:
        """Size of the files."""
        return self.on_card + self.embedding


def weights_at(shape: ModelShape, bpw: float, head_bits: float | None = None) -> Weights:
    """Compute the weights at so many bits each; without `head_bits`, the converter's own choice."""
    head = head_bits or converter_head_bits(bpw)
    return Weights(
        layers=int(shape.num_hidden_layers * shape.layer_parameters * bpw / 8),
        head=int(shape.head_parameters * head / 8),
        embedding=shape.head_parameters * FP16_BYTES,
    )


def converter_head_bits(bpw: float) -> float:
    """Bits of the output layer: 6 up to 6 bits a weight, 8 up to 8, else 16."""
    return next((bits for bits in (6.0, 8.0) if bpw <= bits), 16.0)
