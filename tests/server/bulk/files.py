"""Files of entries and facts for the tests of imports, and an import as the command makes it."""

import csv
import json
from pathlib import Path
from typing import Any

from tests.support.office import DAY, NOW, RIDE, Office

from waypass_server.bulk import runs
from waypass_server.bulk.errors import BadRow
from waypass_server.bulk.runs import Importer, Result
from waypass_server.models.bulk import ImportKind

REASON = "A laboratory found an infection that spreads in closed rooms."


def entry_row(person: str, basis: int, **changes: Any) -> dict[str, Any]:
    """A good row of entries, then changes; a value of None takes a column out."""
    row = {
        "person": person,
        "basis": basis,
        "effect": "red",
        "scopes": [RIDE],
        "reason": REASON,
        "case_reference": f"H-{person}",
        "ends_at": NOW + 20 * DAY,
        "exclusions_checked": ["minors"],
    }
    return {name: value for name, value in {**row, **changes}.items() if value is not None}


def fact_row(person: str, **changes: Any) -> dict[str, Any]:
    """A good row of facts, then changes."""
    row: dict[str, Any] = {
        "person": person,
        "kind": "exposure",
        "source": "laboratory",
        "reason": "In the same room on 3 May.",
    }
    row |= {"yellow": True, "scopes": [RIDE], "valid_until": NOW + 5 * DAY}
    return {name: value for name, value in {**row, **changes}.items() if value is not None}


def write_jsonl(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_csv(file: Path, rows: list[dict[str, Any]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, fieldnames=list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {name: " ".join(map(str, cell)) if isinstance(cell, list) else cell for name, cell in row.items()}
            )
    return file


def register(office: Office, count: int) -> list[str]:
    """So many people without wallets."""
    references = [f"p-{number}" for number in range(1, count + 1)]
    for reference in references:
        office.do("desk", "POST", "/people", reference=reference)
    return references


def importer(
    office: Office, who: str = "proposer", kind: ImportKind = ImportKind.ENTRIES, *, at_once: int = runs.AT_ONCE
) -> Importer:
    with office.services.database.reading() as session:
        by = runs.member_named(session, "metro", who, runs.MAY[kind])
    return Importer(database=office.services.database, by=by, now=office.services.now, at_once=at_once)


def bring_in(
    office: Office,
    file: Path,
    *,
    who: str = "proposer",
    kind: ImportKind = ImportKind.ENTRIES,
    whole: bool = False,
    resume: bool = False,
    dry: bool = False,
    at_once: int = runs.AT_ONCE,
) -> tuple[Result, list[BadRow]]:
    """Import a file; the result, and the rows that were refused. `dry`: as if."""
    bad: list[BadRow] = []
    source, by = runs.source_of(file, kind), importer(office, who, kind, at_once=at_once)
    if dry:
        return runs.dry_run(by, source, report=bad.append, progress=lambda _rows: None), bad
    result = runs.run(by, source, whole=whole, resume=resume, report=bad.append, progress=lambda _rows: None)
    return result, bad


def batch_of(office: Office, folder: Path, people: int, *, basis: int | None = None, **changes: Any) -> int:
    """A batch of so many people's entries that waits for approval, on a basis that is made unless one is given."""
    on = office.basis() if basis is None else basis
    rows = [entry_row(person, on, **changes) for person in register(office, people)]
    result, bad = bring_in(office, write_jsonl(folder / "batch.jsonl", rows))
    assert bad == []
    assert result.batch_id is not None
    return result.batch_id
