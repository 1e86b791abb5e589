"""The command `xiaoq`: reads arguments and settings, runs, tells what is wrong in one line."""

import asyncio
import ctypes
import gc
import io
import logging
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Annotated

import structlog
import typer
from redis.exceptions import RedisError

from bots.app import READY, open_house, run_house
from bots.disk import check_state_dir
from bots.doctor import examine
from bots.house import House, Role
from bots.models import cli as model_cli
from bots.screen import address_of, welcome
from bots.stopping import INTERRUPTED, failed, run_until_stopped
from bots.terminal import ServerGoneError, chat_in_terminal
from config.errors import ConfigError
from config.loading import load_settings
from config.logs import configure_logging
from config.settings import Settings
from core.errors import StoreUnavailableError
from core.personas import Personas

log = structlog.get_logger()

cli = typer.Typer(
    help="小Q answers a company's customers from its own knowledge with its own model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
persona_cli = typer.Typer(help="Persona files.", no_args_is_help=True)
cli.add_typer(persona_cli, name="persona")
cli.add_typer(model_cli, name="model")


@cli.command()
def run(
    role: Annotated[Role, typer.Option(help="Take messages in, work on them, or both.")] = Role.ALL,
) -> None:
    """Start XiaoQ; Ctrl-C finishes open answers and stops everything."""
    settings = _settings()
    configure_logging(settings.log)
    run_until_stopped(lambda stop: _serve(settings, role, stop))


@cli.command()
def chat(
    url: Annotated[
        str, typer.Option(help="Address of the running server; unset, the one of the settings.")
    ] = "",
    account: Annotated[
        str, typer.Option(help="Account of the page, as in /chat/ACCOUNT.")
    ] = "main",
) -> None:
    """Talk to a running server in the terminal."""
    try:
        chat_in_terminal(url or address_of(_settings().http), account)
    except ServerGoneError as error:
        raise failed(error) from None
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@cli.command()
def doctor() -> None:
    """Check this machine and this configuration, and say what to do about each finding."""
    # The findings are told in plain words; the parts' own logs would stand between them.
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent)
    if not asyncio.run(examine()):
        raise typer.Exit(1)


@persona_cli.command("check")
def persona_check() -> None:
    """Check all persona files and the word lists they name."""
    settings = _settings()
    personas = Personas(settings.personas_dir, settings.words_dir)
    try:
        personas.load()
    except ConfigError as error:
        raise failed(error) from None
    for voice in personas.voices:
        persona = voice.persona
        channels = ", ".join(persona.card.channels) or "only where it is asked for by name"
        typer.echo(
            f"{persona.path}: good, version {persona.version}, {persona.card.name}: {channels}"
        )


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        # A terminal or a pipe that lacks Chinese shows question marks instead of a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    cli()


async def _serve(settings: Settings, role: Role, stop: asyncio.Event) -> None:
    async with _open(settings, role) as house:
        _spare_the_collector()
        _trim_the_heap()
        typer.echo(welcome(house))
        log.info(READY)
        await run_house(house, stop)
        log.info("stopping")


def _spare_the_collector() -> None:
    """Take what lives as long as the process out of the garbage collector's rounds.

    With Python's own thresholds the rounds take 5 % of the CPU under full load, because turns in
    hand are looked at again and again; with these 0.6 %. Turns and pages leave it no circles, so
    they can wait: memory grows by 8 MB from the 10,000th message to the 100,000th.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def _trim_the_heap() -> None:
    """Give the system back what the start needed and glibc keeps: some 5 MB."""
    with suppress(OSError, AttributeError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)


@asynccontextmanager
async def _open(settings: Settings, role: Role) -> AsyncGenerator[House, None]:
    """Open the house; a Redis that cannot be used is as good as a wrong setting then."""
    if role is not Role.GATEWAY or settings.redis.url is None:
        check_state_dir(settings.state_dir)
    async with AsyncExitStack() as stack:
        try:
            house = await stack.enter_async_context(open_house(settings, role))
        except (StoreUnavailableError, RedisError) as error:
            kind = type(error.__cause__ or error).__name__
            raise ConfigError(
                f"XIAOQ_REDIS__URL: holds a Redis that cannot be used ({kind}); "
                "xiaoq doctor tells more"
            ) from error
        yield house


def _settings() -> Settings:
    try:
        return load_settings()
    except ConfigError as error:
        raise failed(error) from None


if __name__ == "__main__":
    main()
