"""`xiaoq model ...`: plan, check, convert and serve a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from bots.model_convert import convert_model
from bots.model_plan import Plan, parse_cards, parse_tokens, plan_text
from bots.model_serve import serve_model
from bots.stopping import failed, run_until_stopped
from config.engine import CacheName, EngineName, EngineSettings, PlacementName
from config.errors import ConfigError
from config.loading import load_settings
from config.logs import configure_logging
from config.problems import one_line, parse, spoken
from inference.plan.conversion import Conversion, HeadBits
from inference.plan.fleet import demand_of, lay_out_model
from inference.plan.model_files import ModelFiles, ModelFilesError, read_model
from inference.plan.placement import GIB, Card, Demand, PlacementError
from inference.plan.shape import QWEN25_7B, converter_head_bits, weights_at

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
    bandwidth: Annotated[
        float, typer.Option(help="GB/s of each card.", min=1, max=1_000_000)
    ] = 1008,
) -> None:
    """Say what a model needs of cards that need not be there: memory, conversations, speed."""
    try:
        known = _known(folder, cache) if folder else _assumed(bpw, cache)
        text = plan_text(Plan(*known, parse_cards(gpus), parse_tokens(context), bandwidth * 1e9))
    except (ValueError, ModelFilesError) as error:
        raise failed(error) from None
    typer.echo(text)


@cli.command()
def serve(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of the model; without, the one of the settings.")
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="What shall run it.")] = None,
    placement: Annotated[PlacementName | None, typer.Option(help="Over which cards.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; more units take the next ones.")] = None,
) -> None:
    """Serve a model behind the OpenAI protocol; all further settings are XIAOQ_INFERENCE__*."""
    given = {
        "model_dir": folder,
        "engine": engine,
        "placement": placement,
        "host": host,
        "port": port,
    }
    try:
        settings = load_settings(needs_folders=False)
        inference = _with(settings.inference, given)
    except ConfigError as error:
        raise failed(error) from None
    configure_logging(settings.log)
    run_until_stopped(lambda stop: serve_model(inference, settings.log, stop))


@cli.command()
def convert(
    source: Annotated[Path, typer.Argument(help="Folder of the model as published.")],
    target: Annotated[Path, typer.Argument(help="Folder to make; it must not exist yet.")],
    bits: Annotated[float, typer.Option(help="Bits a weight.", min=2, max=8)] = 4.0,
    head_bits: Annotated[HeadBits, typer.Option(help="Bits of the output layer.")] = 6,
    work: Annotated[
        Path | None, typer.Option(help="Folder to work in; without, TARGET.work beside it.")
    ] = None,
    measurement: Annotated[
        Path | None, typer.Option(help="measurement.json of an earlier conversion.")
    ] = None,
) -> None:
    """Make EXL2 of safetensors, by ExLlamaV2's own converter; stopped, it goes on from there."""
    target = target.resolve()
    conversion = Conversion(
        source=source.resolve(),
        target=target,
        work=(work or target.with_name(f"{target.name}.work")).resolve(),
        bits=bits,
        head_bits=head_bits,
        measurement=measurement.resolve() if measurement else None,
    )
    run_until_stopped(lambda stop: convert_model(conversion, stop))


def _with(settings: EngineSettings, given: Mapping[str, object]) -> EngineSettings:
    """Put what the command line says over the settings; raises ConfigError."""
    fields = EngineSettings.model_fields
    below = {name: getattr(settings, name) for name in fields}
    if given["model_dir"] and not below["engine"]:
        below["engine"] = "exllamav2"
    above = {name: value for name, value in given.items() if value is not None}
    merged, problems = parse(EngineSettings, below | above)
    if merged is None:
        raise ConfigError("\n".join(one_line(spoken(each.path), each.text) for each in problems))
    return merged


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
        raise failed(error) from None
    for line in _described(model, EngineSettings(engine=engine, model_dir=folder), cards):
        typer.echo(line)
    for problem in model.problems:
        typer.echo(f"! {problem}")
    typer.echo(f"{folder}: {'cannot be used as it is' if model.problems else 'good'}")
    if model.problems:
        raise typer.Exit(1)


def _described(model: ModelFiles, settings: EngineSettings, cards: list[Card]) -> list[str]:
    shape = model.shape
    dimensions = (
        f"{shape.num_hidden_layers} layers of {shape.hidden_size}, {shape.vocab_size} tokens "
        f"known, trained for {model.trained_tokens} tokens"
    )
    if model.tensors.problems:
        return [dimensions]
    bits = f"{model.bits_per_weight:.2f} bits a weight, {model.head_bits:.2f} in the output layer"
    on_card = demand_of(settings, model).weights.on_card
    return [
        dimensions,
        f"{'EXL2' if model.is_quantised else 'not quantised'}, {bits}",
        f"{on_card / GIB:.2f} GiB for cards, {model.size / 1e9:.2f} GB of files",
        _fits(model, settings, cards),
    ]


def _fits(model: ModelFiles, settings: EngineSettings, cards: list[Card]) -> str:
    try:
        layout = lay_out_model(settings, model, cards)
    except PlacementError as error:
        return f"does not fit: {error}"
    return f"fits: {layout.placement}, {layout.why}; {layout.pool_tokens:,} tokens in the pool"


def _known(folder: Path, cache: CacheName) -> tuple[str, Demand, int]:
    """A folder's model: its name, what it asks of cards, how long it was trained for."""
    model = read_model(folder)
    if model.tensors.problems:
        raise ModelFilesError(f"{folder}: {'; '.join(model.tensors.problems)}")
    name = f"{folder.name} ({model.bits_per_weight:.2f} bpw, head {model.head_bits:.1f})"
    return name, Demand(model.shape, model.weights, cache), model.trained_tokens


def _assumed(bpw: float, cache: CacheName) -> tuple[str, Demand, int]:
    name = f"Qwen2.5-7B at {bpw:g} bpw (head {converter_head_bits(bpw):g})"
    demand = Demand(QWEN25_7B, weights_at(QWEN25_7B, bpw), cache)
    return name, demand, QWEN25_7B.max_position_embeddings
