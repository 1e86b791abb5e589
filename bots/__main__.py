"""The command `xiaoq`: reads arguments and settings, runs, tells what is wrong in one line."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Annotated, Any

import structlog
import typer
import uvloop

from bots.app import READY, open_house, run_house
from bots.doctor import examine
from bots.house import Role
from bots.screen import welcome
from bots.terminal import chat_in_terminal
from config.errors import ConfigError
from config.loading import load_settings
from config.logs import configure_logging
from config.settings import Settings
from core.personas import Personas

log = structlog.get_logger()

cli = typer.Typer(
    help="小Q answers a company's customers from its own knowledge with its own model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
persona_cli = typer.Typer(help="Persona files.", no_args_is_help=True)
cli.add_typer(persona_cli, name="persona")


@cli.command()
def run(
    role: Annotated[Role, typer.Option(help="Take messages in, work on them, or both.")] = Role.ALL,
) -> None:
    """Start XiaoQ; Ctrl-C finishes open answers and stops everything."""
    settings = _settings()
    configure_logging(settings.log)
    _run(_serve(settings, role))


@cli.command()
def chat(
    url: Annotated[str, typer.Option(help="Address of the running server.")] = "",
    account: Annotated[
        str, typer.Option(help="Account of the page, as in /chat/ACCOUNT.")
    ] = "main",
) -> None:
    """Talk to a running server in the terminal."""
    http = _settings().http
    _run(chat_in_terminal(url or f"http://{http.host}:{http.port}", account))


@cli.command()
def doctor() -> None:
    """Check this machine and this configuration, and say what to do about each finding."""
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
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    for voice in personas.voices:
        persona = voice.persona
        channels = ", ".join(persona.card.channels)
        typer.echo(
            f"{persona.path}: good, version {persona.version}, {persona.card.name}: {channels}"
        )


def main() -> None:
    """Run the command line."""
    cli()


async def _serve(settings: Settings, role: Role) -> None:
    stop = asyncio.Event()
    running = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def ask_to_stop() -> None:
        if stop.is_set() and running:
            running.cancel()  # asked twice: do not wait for open answers
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop)
    async with open_house(settings, role) as house:
        typer.echo(welcome(house))
        log.info(READY)
        await run_house(house, stop)
        log.info("stopping")


def _settings() -> Settings:
    try:
        return load_settings()
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run on the fast loop; a wrong configuration ends in its own words and exit code 1."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(work)
        except ConfigError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise typer.Exit(130) from None


if __name__ == "__main__":
    main()
