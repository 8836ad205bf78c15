"""Entries imported, previewed, approved, announced, in effect and on the status lists, beside a bare load of rows.

What runs, on SQLite (a file with full synchronisation) and on PostgreSQL (a cluster of its own on this machine, with
its usual settings): a CSV file of entries, each of another person with one live pass, in an order that is not that of
the people; `runs.run`, the preview, the approval by another person with what follows from it, the recorded delivery of
each notice (to a sender that keeps none), the scheduler's ticks when the notices are over, and the publisher's versions
until the outbox is empty. The limits were raised before, by three people and 72 hours of the test's clock.

The bare load puts what this wrote (entries, notices, events, leaves, openings and nodes of the log, passes that change
with their rows in the outbox) into a copy of the database as it was before: the same indexes and references, no
triggers, pages of 10,000 rows a transaction, the driver alone (`executemany`; `COPY` on PostgreSQL). Rows that are
changed on the way (an entry takes four steps) are loaded once, in their last form.

`rows_per_s` and `bare_rows_per_s` are entries a second, `over_bare` is how many times longer the import takes;
`peak_mb` is the peak of the importing process, which does not grow with the rows: `peak_mb_tenth` is the same for a
tenth of them. Each part runs in a process of its own; `cpu_s` and `bare_cpu_s` are what that process computed (on
SQLite all of it, on PostgreSQL without the database's own part), which a busy machine changes less.
"""

import json
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support import postgresql

import import_parts
from import_parts import Ran

AIM = 10.0
STEPS = ("import", "preview", "approve", "announce", "take_effect", "publish")


@dataclass(frozen=True, kw_only=True, slots=True)
class Store:
    """Where databases are made: `new` gives the address of one, `copy` that of a copy of another."""

    name: str
    new: Callable[[str], str]
    copy: Callable[[str, str], str]


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One object on stdout.")] = False,
    rows: Annotated[int, typer.Option(min=100, help="How many entries.")] = 1_000_000,
    only: Annotated[str | None, typer.Option(help="sqlite or postgresql alone.")] = None,
) -> None:
    """Measure the import."""
    result: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory(prefix="waypass-import-") as name:
        for store in _stores(Path(name), only):
            result[store.name] = measure(store, Path(name), rows)
            if not as_json:
                Console(stderr=True).print(f"{store.name}: {result[store.name]}")
    result["over_bare"] = max(found["over_bare"] for found in result.values() if isinstance(found, dict))
    if as_json:
        print(json.dumps(result))
        return
    _show(result)


def measure(store: Store, folder: Path, rows: int) -> dict[str, Any]:
    """One store: the import of a tenth, for its memory, and of all rows; then the bare load."""
    tenth, _, _ = _run(store, folder, max(rows // 10, 10), "tenth")
    ran, written, untouched = _run(store, folder, rows, "all")
    bare, bare_cpu = _apart(import_parts.load, untouched, written)
    return {
        "rows_per_s": round(rows / ran.total, 1),
        "bare_rows_per_s": round(rows / bare, 1),
        "over_bare": round(ran.total / bare, 2),
        "peak_mb": round(ran.peak_mb, 1),
        "peak_mb_tenth": round(tenth.peak_mb, 1),
        "before_mb": round(ran.before_mb, 1),
        **{f"{name}_s": round(ran.seconds[name], 2) for name in STEPS},
        "bare_s": round(bare, 2),
        "cpu_s": round(ran.cpu, 2),
        "bare_cpu_s": round(bare_cpu, 2),
    }


def _run(store: Store, folder: Path, rows: int, name: str) -> tuple[Ran, str, str]:
    """What it took, and the addresses of the database and of its copy from before."""
    file = folder / f"{store.name}-{name}.csv"
    url = store.new(name)
    _apart(import_parts.furnish, url, rows, file)
    untouched = store.copy(name, f"{name}_before")
    return _apart(import_parts.run, url, file), url, untouched


def _apart(work: Callable[..., Any], *arguments: object) -> Any:
    """In a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


@contextmanager
def _postgresql() -> Iterator[Store]:
    with closing(postgresql.start(settings=("max_connections=20",))) as cluster:
        yield Store(
            name="postgresql",
            new=cluster.new_database,
            copy=lambda source, name: cluster.new_database(name, template=source),
        )


def _stores(folder: Path, only: str | None) -> Iterator[Store]:
    def address(name: str) -> str:
        return f"sqlite:///{folder / name}.db"

    def copy(source: str, name: str) -> str:
        shutil.copy(folder / f"{source}.db", folder / f"{name}.db")
        return address(name)

    if only in (None, "sqlite"):
        yield Store(name="sqlite", new=address, copy=copy)
    if only in (None, "postgresql") and postgresql.programs() is not None:
        with _postgresql() as store:
            yield store


def _show(result: dict[str, Any]) -> None:
    found = {name: values for name, values in result.items() if isinstance(values, dict)}
    table = Table("figure", *found, "aim", title=f"Import of {result['rows']} entries")
    for figure in next(iter(found.values())):
        aim = f"at most {AIM}" if figure == "over_bare" else ""
        table.add_row(figure, *(str(values[figure]) for values in found.values()), aim)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
