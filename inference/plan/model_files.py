"""What a model's folder holds and whether an engine here can run it. Reads headers, no weights."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.engine import EngineName
from inference.plan.shape import FP16_BYTES, ModelShape, Weights
from inference.plan.tensor_files import Tensors, read_tensors

ARCHITECTURE = "Qwen2ForCausalLM"
END_OF_TURN = "<|im_end|>"
_LAYER = "model.layers."
_EMBEDDING = "model.embed_tokens."
_HEAD = "lm_head."
_LINEARS = (
    *(f"self_attn.{name}_proj" for name in "qkvo"),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
_QUANTISED = ".q_weight"
_KINDS = {
    "architectures": (list, "list"),
    "quantization_config": (dict, "object"),
    "rope_parameters": (dict, "object"),
    "rope_scaling": (dict, "object"),
}


class ModelFilesError(Exception):
    """The folder holds no model of which anything can be said; the message says why."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model's folder, as far as its small files and headers tell."""

    folder: Path
    shape: ModelShape
    tensors: Tensors
    config: Mapping[str, Any]
    """config.json without what is of another kind than it should be."""
    problems: tuple[str, ...]
    """What must be mended before it runs, a line each."""

    @property
    def weights(self) -> Weights:
        """Bytes of the weights as they are on disk; a tied output layer is there twice in use."""
        embedding, head = self.tensors.size(_EMBEDDING), self.tensors.size(_HEAD)
        return Weights(self.size - embedding - head, head or embedding, embedding)

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        return self.tensors.size("")

    @property
    def trained_tokens(self) -> int:
        """How long a conversation the model was trained for; YaRN in its config stretches that."""
        scaling = self.config.get("rope_scaling")
        original = (scaling or {}).get("original_max_position_embeddings")
        if isinstance(original, int) and original > 0:
            return original
        return self.shape.max_position_embeddings

    @property
    def is_quantised(self) -> bool:
        """Whether the layers are EXL2."""
        return any(name.endswith(_QUANTISED) for name in self.tensors.found)

    @property
    def bits_per_weight(self) -> float:
        """Of the layers, scales included."""
        shape = self.shape
        return self.weights.layers * 8 / (shape.num_hidden_layers * shape.layer_parameters)

    @property
    def head_bits(self) -> float:
        """Bits per weight of the output layer."""
        return self.weights.head * 8 / self.shape.head_parameters


def read_model(folder: Path, engine: EngineName = "exllamav2") -> ModelFiles:
    """Look at a folder with an engine's eyes; raises ModelFilesError."""
    try:
        is_folder = folder.is_dir()
    except OSError as error:
        raise ModelFilesError(f"{folder} cannot be read ({error.strerror})") from None
    if not is_folder:
        raise ModelFilesError(f"{folder} is no folder")
    config = _json(folder / "config.json")
    odd = {name: kind for name, (of, kind) in _KINDS.items() if not _is_a(of, config.get(name))}
    config = {name: value for name, value in config.items() if name not in odd}
    try:
        shape = ModelShape.model_validate(config)
    except ValidationError as error:
        names = ", ".join(sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]}))
        raise ModelFilesError(f"config.json describes no transformer: {names}") from None
    tensors = read_tensors(folder)
    is_whole = bool(tensors.found) or not tensors.problems
    problems = [
        *tensors.problems,
        *(f"config.json: {name} is no {kind}" for name, kind in odd.items()),
        *_config_problems(config),
        *_tokenizer_problems(folder, shape),
        *(_format_problems(config, tensors, shape) if engine == "exllamav2" else ()),
        *(_missing_tensors(config, tensors, shape) if is_whole else ()),
    ]
    if engine == "transformers" and _method(config) == "exl2":
        problems.append("is EXL2, which the engine transformers does not read")
    return ModelFiles(folder, shape, tensors, config, tuple(problems))


def _config_problems(config: Mapping[str, Any]) -> Iterator[str]:
    architectures = config.get("architectures") or ["none"]
    if ARCHITECTURE not in architectures:
        yield (
            f"config.json: is for {architectures[0]}; prompts are written as Qwen2.5 reads them "
            f"({ARCHITECTURE})"
        )


def _format_problems(
    config: Mapping[str, Any], tensors: Tensors, shape: ModelShape
) -> Iterator[str]:
    yield from rope_problems(config)
    method = _method(config)
    is_quantised = any(name.endswith(_QUANTISED) for name in tensors.found)
    if method not in {"", "exl2"}:
        yield f"config.json: is quantised by {method}; ExLlamaV2 needs EXL2"
    elif tensors.found and not is_quantised:
        size = shape.num_hidden_layers * shape.layer_parameters * FP16_BYTES / 1e9
        yield f"is not quantised ({size:.1f} GB of layers); make EXL2 of it: xiaoq model convert"


def rope_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Where ExLlamaV2 would place the tokens wrongly, or fail at it, a line each."""
    if config.get("rope_theta") is None:
        theta = (config.get("rope_parameters") or {}).get("rope_theta", "1000000.0 for Qwen2.5")
        yield (
            "config.json: has no rope_theta at its top level, where ExLlamaV2 looks for it; "
            f"add it: {theta}"
        )
    scaling = config.get("rope_scaling") or {}
    if "type" in scaling and "rope_type" in scaling:
        yield "config.json: rope_scaling has both type and rope_type; keep type alone"


def _missing_tensors(
    config: Mapping[str, Any], tensors: Tensors, shape: ModelShape
) -> Iterator[str]:
    wanted = [f"{_EMBEDDING}weight", "model.norm.weight"]
    wanted += [
        f"{_LAYER}{number}.{linear}"
        for number in range(shape.num_hidden_layers)
        for linear in _LINEARS
    ]
    if not config.get("tie_word_embeddings"):
        wanted.append(_HEAD.removesuffix("."))
    present = set(tensors.found)
    missing = [
        name for name in wanted if not {name, f"{name}.weight", f"{name}{_QUANTISED}"} & present
    ]
    if missing:
        yield f"{len(missing)} tensors are missing, the first is {missing[0]}"


def _tokenizer_problems(folder: Path, shape: ModelShape) -> Iterator[str]:
    try:
        tokenizer = _json(folder / "tokenizer.json")
    except ModelFilesError as error:
        yield f"{error}; it is needed (vocab.json with merges.txt is not read)"
        return
    added = tokenizer.get("added_tokens")
    tokens = [each for each in added if isinstance(each, dict)] if isinstance(added, list) else []
    ids = {str(each.get("content")): each.get("id") for each in tokens}
    if END_OF_TURN not in ids:
        yield f"tokenizer.json: does not know {END_OF_TURN}; it is none of Qwen2.5"
    largest = max((number for number in ids.values() if isinstance(number, int)), default=0)
    if largest >= shape.vocab_size:
        yield f"tokenizer.json: has token {largest}, the model only {shape.vocab_size}"


def _method(config: Mapping[str, Any]) -> str:
    quantisation = config.get("quantization_config")
    return str(quantisation.get("quant_method", "")) if isinstance(quantisation, dict) else ""


def _is_a(kind: type, value: object) -> bool:
    return value is None or isinstance(value, kind)


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelFilesError(f"{file.name}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ModelFilesError(f"{file.name}: is no JSON") from None
    if not isinstance(content, dict):
        raise ModelFilesError(f"{file.name}: is no JSON object")
    return content
