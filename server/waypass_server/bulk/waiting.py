"""A file between a first look at it and its import, for people at a page.

1. a file is looked at when it is brought (`runs.dry_run`, which changes nothing); one that cannot be read as rows, has
   none, or is larger than may be (`MAX_FILE`, `MOST_ROWS`: somebody waits for the answer) is not kept (`FileRefused`)
2. it is kept in the database, in parts, so that whichever process of the server is asked next has it, after a restart
   too. It is there for who brought it, and until they bring another one; `forgetting` has the longest time
3. it is imported by `runs.run` and no other way. The content goes with the import; that it was brought stays for a
   while, so that a form that is sent again finds what came of it
4. of the rows that are refused the first `MOST_SHOWN` are kept, and how many there are
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, BinaryIO

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from waypass_server.bulk import runs
from waypass_server.bulk.errors import BadRow, FileRefused
from waypass_server.bulk.formats import Format
from waypass_server.bulk.runs import Importer, Result, Source
from waypass_server.database import Database
from waypass_server.models.bulk import Import, ImportKind
from waypass_server.models.console import FilePart, WaitingFile
from waypass_server.refusals import Conflict, NotFound

MAX_FILE = 16 << 20
"""Bytes."""
MOST_ROWS = 100_000
MOST_SHOWN = 100
PART = 1 << 20
"""Bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What a look at a file found: how many rows, how many of them would be added, are known and would be refused, and
    the first of the last ones; and how many say what became of a case (`outcomes`).
    """

    rows: int
    added: int
    known: int
    refused: int
    bad: tuple[BadRow, ...]
    outcomes: int = 0

    @staticmethod
    def of(waiting: WaitingFile) -> "Seen":
        """From a row."""
        seen: dict[str, Any] = waiting.seen
        return Seen(**{**seen, "bad": tuple(BadRow(**row) for row in seen["bad"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Brought:
    """What somebody says of the file that they bring."""

    kind: ImportKind
    form: Format
    whole: bool


def bring(importer: Importer, content: BinaryIO, brought: Brought) -> int:
    """Look at a file and keep it; its number. Raises `FileRefused`."""
    with NamedTemporaryFile() as file:
        shutil.copyfileobj(content, file, PART)
        file.flush()
        source = runs.source_of(Path(file.name), brought.kind, brought.form)
        seen = _look(importer, source)
        with importer.database.changing() as session:
            _drop(session, select(WaitingFile.id).where(WaitingFile.staff_id == importer.by.staff_id))
            waiting = WaitingFile(
                staff_id=importer.by.staff_id,
                kind=brought.kind,
                form=brought.form.value,
                digest=source.digest,
                size=file.tell(),
                whole=brought.whole,
                seen=asdict(seen),
                at=importer.now(),
            )
            session.add(waiting)
            session.flush()
            file.seek(0)
            for number, data in enumerate(iter(lambda: file.read(PART), b"")):
                session.add(FilePart(file_id=waiting.id, number=number, data=data))
                session.flush()
                session.expunge_all()  # one part in memory, not all
            return waiting.id


def find(session: Session, staff_id: int, file_id: int) -> WaitingFile:
    """Raises `NotFound`, for somebody else's too."""
    waiting = session.get(WaitingFile, file_id)
    if waiting is None or waiting.staff_id != staff_id:
        raise NotFound(f"file: expected one that you have brought and that is kept still, got {file_id}")
    return waiting


def import_of(session: Session, network_id: int, waiting: WaitingFile) -> Import | None:
    """The import of this very file that was begun, by whomever."""
    return runs.find_import(session, network_id, waiting.kind, waiting.digest)


def take_in(importer: Importer, waiting: WaitingFile) -> Result:
    """Import it, or go on with an import of it that was broken off. Where all or nothing is to be taken and a row is
    refused now, it is looked at anew and goes on waiting. Raises `Conflict` and `Forbidden` as `runs.run` does, and
    `NotFound` for one whose content is gone.
    """
    with _as_file(importer.database, waiting) as file:
        source = runs.source_of(file, waiting.kind, Format(waiting.form))
        if source.digest != waiting.digest:
            raise Conflict("file: expected all that was brought, a part of it is gone")
        result = runs.run(
            importer, source, whole=waiting.whole, resume=True, report=lambda _row: None, progress=lambda _rows: None
        )
        if result.import_id is None:
            seen = _look(importer, source)
            with importer.database.changing() as session:
                current = session.get_one(WaitingFile, waiting.id)
                current.seen, current.at = asdict(seen), importer.now()
            return result
    with importer.database.changing() as session:
        session.execute(delete(FilePart).where(FilePart.file_id == waiting.id))
    return result


def _look(importer: Importer, source: Source) -> Seen:
    """Rules 1 and 4."""
    bad: list[BadRow] = []

    def report(row: BadRow) -> None:
        if len(bad) < MOST_SHOWN:
            bad.append(row)

    def progress(rows: int) -> None:
        if rows > MOST_ROWS:
            raise FileRefused(f"expected at most {MOST_ROWS} rows here, got more")

    found = runs.dry_run(importer, source, report=report, progress=progress)
    if not found.rows:
        raise FileRefused("expected at least one row, got none")
    return Seen(
        rows=found.rows,
        added=found.added,
        known=found.known,
        refused=found.refused,
        bad=tuple(bad),
        outcomes=found.outcomes,
    )


@contextmanager
def _as_file(database: Database, waiting: WaitingFile) -> Iterator[Path]:
    """Its content as a file, written a part at a time. Raises `NotFound`."""
    query = select(FilePart.data).where(FilePart.file_id == waiting.id).order_by(FilePart.number)
    with NamedTemporaryFile() as file:
        with database.reading() as session:
            for data in session.scalars(query.execution_options(yield_per=1)):
                file.write(data)
        file.flush()
        if not file.tell():
            raise NotFound("file: expected one whose content is kept still, bring it again")
        yield Path(file.name)


def _drop(session: Session, ids: Any) -> None:
    session.execute(delete(FilePart).where(FilePart.file_id.in_(ids)))
    session.execute(delete(WaitingFile).where(WaitingFile.id.in_(ids)))
