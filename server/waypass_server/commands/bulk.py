"""`waypass-server import` and `export`: entries and facts from files, and into them.

- `import FILE --kind entries|facts --as STAFF` reads CSV, JSON Lines or Parquet. Entries become a batch of proposals of
  that member of staff, which another person approves; facts, and outcomes of cases, count at once. `--dry-run` changes
  nothing, `--all-or-nothing` takes the file only if every row is good, `--resume` goes on with one that was broken off.
- `export FILE --kind entries|facts --as STAFF` writes what there is.

A row that is refused is a line: on standard error, or with `--json` an object on standard output; the last one is the
result. Exit code 0: all rows were taken, or are known; 1: some were refused; 2: the file or the command cannot be used.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from waypass_server.commands.options import AsJson, ConfigFile, opened, settings_from
from waypass_server.errors import ConfigurationError

if TYPE_CHECKING:  # loaded when a command runs
    from waypass_server.bulk.errors import BadRow
    from waypass_server.bulk.formats import Format
    from waypass_server.bulk.runs import Progress as Told
    from waypass_server.bulk.runs import Result
    from waypass_server.models.bulk import ImportKind

Kind = Annotated[str, typer.Option("--kind", help="What the rows are: entries or facts.")]
Staff = Annotated[str, typer.Option("--as", help="The member of staff who does it, as in the network file.")]
Form = Annotated[str | None, typer.Option("--format", help="csv, jsonl or parquet; otherwise by the file's name.")]


def import_file(  # noqa: PLR0913, PLR0917 - the command has as many options
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines or Parquet.")],
    config: ConfigFile,
    kind: Kind,
    staff: Staff,
    form: Form = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge every row and change nothing.")] = False,
    whole: Annotated[
        bool, typer.Option("--all-or-nothing", help="Take the file only if every row is good; one transaction.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an import that was broken off.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import entries or facts."""
    from waypass_server.bulk import runs

    what, which = _kind(kind), _format(form)
    settings = settings_from(config)
    source = runs.source_of(file, what, which)
    with opened(settings) as database:
        with database.reading() as session:
            by = runs.member_named(session, settings.network, staff, runs.MAY[what])
        importer = runs.Importer(database=database, by=by, now=_now)
        with _progress(source.lines, quiet=as_json) as told:
            if dry_run:
                result = runs.dry_run(importer, source, report=_reporter(as_json=as_json), progress=told)
            else:
                result = runs.run(
                    importer,
                    source,
                    whole=whole,
                    resume=resume,
                    report=_reporter(as_json=as_json),
                    progress=told,
                )
    _print(result, what.value, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(1 if result.refused else 0)


def export_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; it must not be there yet.")],
    config: ConfigFile,
    kind: Kind,
    staff: Staff,
    form: Form = None,
    state: Annotated[str, typer.Option("--state", help="Entries in this state.")] = "in-effect",
    basis: Annotated[int | None, typer.Option("--basis", min=1, help="Entries on this basis alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Export entries or facts, in the columns of an import."""
    from waypass_server.bulk import exports, runs
    from waypass_server.bulk.formats import Format
    from waypass_server.life import State

    what, which = _kind(kind), _format(form) or Format.of(file)
    states = [each.value for each in State]
    if state not in states:
        raise ConfigurationError(f"--state: expected one of {', '.join(states)}, got {state!r}")
    settings = settings_from(config)
    wanted = exports.Wanted(kind=what, form=which, state=State(state), basis_id=basis)
    with opened(settings) as database:
        with database.reading() as session:
            by = runs.member_named(session, settings.network, staff, exports.MAY[what])
        try:
            # Readable by its owner alone: it names people by their references, and reasons.
            number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as out:
                count = exports.export(database, out, wanted, by=by, now=_now())
        except OSError as error:
            raise ConfigurationError(f"{file}: {error.strerror or error}") from None
    line = {"kind": what.value, "file": str(file), "rows": count}
    typer.echo(json.dumps(line, ensure_ascii=False) if as_json else f"{count} {what.value} in {file}")


def _kind(text: str) -> "ImportKind":
    from waypass_server.models.bulk import ImportKind

    known = [each.value for each in ImportKind]
    if text not in known:
        raise ConfigurationError(f"--kind: expected {' or '.join(known)}, got {text!r}")
    return ImportKind(text)


def _format(text: str | None) -> "Format | None":
    from waypass_server.bulk.formats import Format

    known = [each.value for each in Format]
    if text is not None and text not in known:
        raise ConfigurationError(f"--format: expected {', '.join(known)}, got {text!r}")
    return None if text is None else Format(text)


def _now() -> int:
    return int(time.time())


def _reporter(*, as_json: bool) -> "Callable[[BadRow], None]":
    def report(row: "BadRow") -> None:
        if as_json:
            typer.echo(json.dumps(asdict(row), ensure_ascii=False))
        else:
            print(str(row), file=sys.stderr)  # noqa: T201 - the command line's own voice

    return report


@contextmanager
def _progress(lines: int, *, quiet: bool) -> "Iterator[Told]":
    """On standard error, where that is a terminal."""
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _rows: None
        return
    columns = (TextColumn("rows"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("rows", total=lines or None)
        yield lambda rows: shown.update(task, completed=rows)


def _print(result: "Result", kind: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"kind": kind, "dry_run": dry_run, **asdict(result)}))
        return
    counts = f"{result.rows} rows: {result.added} added, {result.known} known, {result.refused} refused"
    if result.outcomes:
        counts += f", {result.outcomes} outcomes of cases"
    if dry_run:
        typer.echo(f"{counts.replace('added', 'to add')}; nothing was changed")
    elif result.again:
        typer.echo(f"this file was imported before ({counts}); nothing was changed")
    elif result.whole and result.refused:
        typer.echo(f"{result.refused} of {result.rows} rows are refused; nothing was changed")
    else:
        batch = f"; batch {result.batch_id} waits for approval" if result.batch_id and result.added else ""
        typer.echo(f"{counts}{batch}")
