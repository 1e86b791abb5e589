"""A tiny Qwen2 with random weights, made from code. What it says has no meaning; how has."""

import json
from pathlib import Path

import peft
import torch
import transformers
from tokenizers import Tokenizer

CONTEXT = 2048
TEMPLATE = Path(__file__).parents[1] / "inference" / "text" / "data" / "qwen2_5.jinja"


def write_tiny(folder: Path, tokenizer: str) -> Path:
    """Write a model folder for a tokenizer, described as in `tokenizer.json`; always the same."""
    torch.manual_seed(0)
    known = Tokenizer.from_str(tokenizer)
    config = transformers.Qwen2Config(
        vocab_size=-(-known.get_vocab_size() // 128) * 128,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        # Wide enough that rounding does not decide which token is the likeliest.
        initializer_range=0.3,
        bos_token_id=known.token_to_id("<|endoftext|>"),
        eos_token_id=known.token_to_id("<|im_end|>"),
        pad_token_id=known.token_to_id("<|endoftext|>"),
    )
    transformers.Qwen2ForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    return folder


def write_servable(folder: Path, tokenizer: str) -> Path:
    """Write a model folder that Transformers' own server takes, with Qwen's chat template."""
    write_tiny(folder, tokenizer)
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "chat_template": TEMPLATE.read_text(),
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def write_adapter(folder: Path, model: Path, seed: int) -> Path:
    """Write a LoRA adapter with random weights for a model."""
    torch.manual_seed(seed)
    base = transformers.AutoModelForCausalLM.from_pretrained(model)
    tuned = peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=1.0)
    tuned.save_pretrained(folder)
    return folder
