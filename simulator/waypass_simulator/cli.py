"""The `waypass` command: `demo`, the whole system on this machine, `inspect`, what an object holds, and `fleet`, many
readers at a broker."""

import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from waypass_protocol.errors import ProtocolError
from waypass_protocol.keys import TrustSet, read_trust_set
from waypass_protocol.notes import NoteKey, read_note_key
from waypass_simulator.errors import SimulatorError, UsageError
from waypass_simulator.inspection import Context, inspect, looks_like_text
from waypass_simulator.steps import Step

app = typer.Typer(
    name="waypass",
    help="Signed green, yellow and red QR passes, checked offline at the gate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def waypass() -> None:
    """Signed green, yellow and red QR passes, checked offline at the gate."""


_CHECKOUT = Path(__file__).resolve().parents[2]
_MARKS = {True: ("yes", "green"), False: ("no", "red"), None: ("-", "yellow")}


@app.command("inspect")
def inspect_command(
    what: Annotated[str, typer.Argument(metavar="TEXT|FILE", help="A Waypass text, or a file that holds an object.")],
    keys: Annotated[Path | None, typer.Option(help="The network's trust set (JWKS), to verify signatures.")] = None,
    log_key: Annotated[
        list[str] | None,
        typer.Option(help="A key of the network's public log (NAME+HASH+KEY), or a file with one a line."),
    ] = None,
    at: Annotated[int | None, typer.Option(help="Judge at this UNIX time instead of now.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, a step each.")] = False,
) -> None:
    """Show what a Waypass text, status list, delta or head, a checkpoint or proof of the public log holds.

    Step by step, and what verifies.

    Exit code 0: nothing speaks against it; 1: a step failed; 2: bad use.
    """
    now = int(time.time()) if at is None else at
    context = Context(trust=_load_keys(keys), now=now, log_keys=_load_log_keys(log_key or []))
    steps = inspect(_load(what), context)
    if as_json:
        for step in steps:
            sys.stdout.write(json.dumps(asdict(step), ensure_ascii=False) + "\n")
    else:
        _print_steps(steps)
    raise typer.Exit(1 if any(step.ok is False for step in steps) else 0)


@app.command("demo")
def demo_command(
    headless: Annotated[bool, typer.Option("--headless", help="Play the story once, without pages, and end.")] = False,
    report: Annotated[Path | None, typer.Option(help="With --headless: write the report to this file (JSON).")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Where the stage is: 8000, or a free one when that is taken."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Keep all files here (new or empty) instead of throwing them away.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Draw hands, light and noise from this seed.")] = None,
) -> None:
    """Run the whole system on this machine: live, with a stage to look at, until Ctrl-C; or as a story, once.

    Exit code 0: ended as it was told to, or every step of the story came out as it should; 1: a step did not; 2: bad
    use.
    """
    if headless and port is not None:
        raise UsageError("--port: expected without --headless, which has no pages")
    if not headless and report is not None:
        raise UsageError("--report: expected with --headless, which has an end to report on")
    chosen = secrets.randbelow(2**32) if seed is None else seed
    console = Console(highlight=False)
    if headless:
        _play_story(console, folder, chosen, report)
    else:
        _live(console, folder, chosen, port)


@app.command("fleet")
def fleet_command(
    config: Annotated[Path | None, typer.Option(help="A TOML file with all settings; options go before it.")] = None,
    keys: Annotated[Path | None, typer.Option(help="The network's trust set (JWKS).")] = None,
    broker: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", help="Where the broker is; several are dealt out in turn."),
    ] = None,
    readers: Annotated[int | None, typer.Option(help="Full readers: own lists, every signature verified.")] = None,
    light: Annotated[int | None, typer.Option(help="Light ones besides: a connection that takes heads.")] = None,
    habit: Annotated[
        list[str] | None,
        typer.Option(help="steady, late, sleeper, flapping, rebooting, clock or disk; several are dealt out in turn."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="End after so many seconds.")] = None,
    events: Annotated[Path | None, typer.Option(help="Write what happens to this file, a JSON object a line.")] = None,
) -> None:
    """Be many readers at a broker without passwords, until SIGTERM; then print what each holds (JSON)."""
    from waypass_simulator.fleet.command import read_settings, run

    given = {
        "keys": keys,
        "brokers": broker or None,
        "readers": readers,
        "light": light,
        "habits": habit or None,
        "seconds": seconds,
        "events": events,
    }
    run(read_settings(config, {name: value for name, value in given.items() if value is not None}))


def _play_story(console: Console, folder: Path | None, seed: int, report: Path | None) -> None:
    from waypass_simulator.demo.play import Playing, find_shared, play, summary
    from waypass_simulator.demo.report import ConsoleNarrator

    _check_writable(report)
    signal.signal(signal.SIGTERM, _leave)
    with _working_folder(folder) as place, _no_program_left():
        playing = Playing(folder=place, seed=seed, shared=find_shared(_CHECKOUT, os.environ))
        result = play(playing, ConsoleNarrator(console))
    if report is not None:
        result.write(report)
        console.print(Text(f"\nThe report is in {report}.", style="dim"))
    console.print(Text(f"\n{summary(result)}", style="bold green" if result.ok else "bold red"))
    raise typer.Exit(0 if result.ok else 1)


def _live(console: Console, folder: Path | None, seed: int, port: int | None) -> None:
    from waypass_simulator.demo.living import Living
    from waypass_simulator.demo.telling import live

    with _working_folder(folder) as place, _no_program_left():
        live(Living(folder=place, seed=seed, port=port), console)


@contextmanager
def _no_program_left() -> Iterator[None]:
    """At the very end: a signal may have come between a program's start and the moment when somebody held its id."""
    from waypass_simulator.processes import end_children

    try:
        yield
    finally:
        end_children()


def _leave(number: int, _frame: FrameType | None) -> None:
    """Ends by unwinding, so that no program of the demonstration outlives it."""
    sys.exit(128 + number)


def _check_writable(report: Path | None) -> None:
    """Whoever waits for a story to end should not lose its report then. Raises `UsageError`."""
    if report is None:
        return
    try:
        with report.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise UsageError(f"--report {report}: cannot be written: {error.strerror}") from None


@contextmanager
def _working_folder(folder: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that goes when the story is over. Raises `UsageError`."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="waypass-demo-") as name:
            yield Path(name)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError as error:
        raise UsageError(f"--folder {folder}: expected a new or empty folder: {error.strerror}") from None
    if not empty:
        raise UsageError(f"--folder {folder}: expected a new or empty folder, got one with files in it")
    yield folder.resolve()


def _load(what: str) -> bytes:
    """The bytes of a text given as such, or of a file. Raises `UsageError`."""
    if looks_like_text(what.encode("utf-8", errors="surrogateescape")):
        return what.encode("utf-8", errors="surrogateescape")
    try:
        return Path(what).read_bytes()
    except (OSError, ValueError) as error:
        shown = what if len(what) <= 60 else what[:57] + "..."
        raise UsageError(
            f"expected a text that begins with WP1: or WP2:, or a readable file, got {shown!r}: {error}"
        ) from None


def _load_keys(path: Path | None) -> TrustSet | None:
    if path is None:
        return None
    try:
        return read_trust_set(path.read_bytes())
    except (OSError, ProtocolError) as error:
        raise UsageError(f"--keys {path}: {error}") from None


def _load_log_keys(given: list[str]) -> tuple[NoteKey, ...]:
    """Keys as they are, or the lines of files. Raises `UsageError`."""
    keys: list[NoteKey] = []
    for each in given:
        try:
            lines = [each] if "+" in each else Path(each).read_text(encoding="utf-8").splitlines()
            keys += [read_note_key(line.strip()) for line in lines if line.strip()]
        except (OSError, ValueError, ProtocolError) as error:
            raise UsageError(f"--log-key {each}: {error}") from None
    return tuple(keys)


def _print_steps(steps: list[Step]) -> None:
    console = Console(highlight=False)
    for step in steps:
        mark, style = _MARKS[step.ok]
        console.print(Text.assemble((f"{mark:>4}  ", style), (f"{step.name}: ", "bold"), step.says))
        for name, value in step.fields.items():
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
            console.print(Text(f"          {name}: {shown}"))


def main() -> None:
    """Run the command line; what a user can mend becomes one line on standard error and exit code 2."""
    try:
        app()
    except SimulatorError as error:
        print(f"waypass: {error}", file=sys.stderr)  # noqa: T201 - the command line's own voice
        sys.exit(2)
