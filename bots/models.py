"""`xiaoq model ...`: plan, check, convert and serve a model."""

from pathlib import Path
from typing import Annotated

import typer

from bots.model_plan import Plan, parse_cards, parse_tokens, plan_text
from config.engine import CacheName, EngineName, EngineSettings
from inference.model_files import ModelFiles, ModelFilesError, read_model
from inference.placement import GIB, Card, Demand, PlacementError, lay_out
from inference.shape import QWEN25_7B, converter_head_bits, weights_at

cli = typer.Typer(help="The model that XiaoQ runs itself.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of the model.", show_default=False)]
_CARDS_HELP = "Cards as 4x24 (four of 24 GiB) or 2x24,16."


@cli.command()
def plan(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a model; without, Qwen2.5-7B.")
    ] = None,
    gpus: Annotated[str, typer.Option(help=_CARDS_HELP)] = "4x24",
    bpw: Annotated[float, typer.Option(help="Bits a weight, without a folder.", min=2, max=16)] = 4,
    context: Annotated[str, typer.Option(help="Tokens of a conversation, as 8k.")] = "8k",
    cache: Annotated[CacheName, typer.Option(help="How the pool keeps tokens.")] = "fp16",
    bandwidth: Annotated[float, typer.Option(help="GB/s of each card.", min=1)] = 1008,
) -> None:
    """Say what a model needs of cards that need not be there: memory, conversations, speed."""
    try:
        name, demand = _demand_of(folder, cache) if folder else _demand_at(bpw, cache)
        made = Plan(name, demand, parse_cards(gpus), parse_tokens(context), bandwidth * 1e9)
    except (ValueError, ModelFilesError) as error:
        raise _failed(str(error)) from None
    typer.echo(plan_text(made))


@cli.command()
def check(
    folder: Folder,
    engine: Annotated[EngineName, typer.Option(help="What shall run it.")] = "exllamav2",
    gpus: Annotated[str, typer.Option(help=_CARDS_HELP)] = "1x24",
) -> None:
    """Look at a model's folder: files, config, tokenizer, bits, and whether it fits."""
    try:
        cards, model = parse_cards(gpus), read_model(folder, engine)
    except (ValueError, ModelFilesError) as error:
        raise _failed(str(error)) from None
    for line in (*_described(model), _fits(model, cards)):
        typer.echo(line)
    for problem in model.problems:
        typer.echo(f"! {problem}")
    typer.echo(f"{folder}: {'cannot be used as it is' if model.problems else 'good'}")
    if model.problems:
        raise typer.Exit(1)


def _described(model: ModelFiles) -> list[str]:
    shape, weights = model.shape, model.weights
    bits = f"{model.bits_per_weight:.2f} bits a weight, {model.head_bits:.2f} in the output layer"
    return [
        f"{shape.num_hidden_layers} layers of {shape.hidden_size}, {shape.vocab_size} tokens "
        f"known, trained for {shape.max_position_embeddings} tokens",
        f"{'EXL2' if model.is_quantised else 'not quantised'}, {bits}",
        f"{weights.on_card / GIB:.2f} GiB for cards, {weights.file / 1e9:.2f} GB of files",
    ]


def _fits(model: ModelFiles, cards: list[Card]) -> str:
    demand = Demand(model.shape, model.weights)
    try:
        layout = lay_out(EngineSettings(), demand, cards)
    except PlacementError as error:
        return f"does not fit: {error}"
    return f"fits: {layout.placement}, {layout.why}; {layout.pool_tokens:,} tokens in the pool"


def _demand_of(folder: Path, cache: CacheName) -> tuple[str, Demand]:
    model = read_model(folder)
    name = f"{folder.name} ({model.bits_per_weight:.2f} bpw, head {model.head_bits:.1f})"
    return name, Demand(model.shape, model.weights, cache)


def _demand_at(bpw: float, cache: CacheName) -> tuple[str, Demand]:
    name = f"Qwen2.5-7B at {bpw:g} bpw (head {converter_head_bits(bpw):g})"
    return name, Demand(QWEN25_7B, weights_at(QWEN25_7B, bpw), cache)


def _failed(reason: str) -> typer.Exit:
    typer.echo(reason, err=True)
    return typer.Exit(1)
