"""An import: from a file to rows in the database, some thousands a transaction, at a memory that does not grow.

1. staff import what they may propose or record alone (`MAY`); what they import is theirs, as if they had typed it
2. the file is known by its SHA-256. Imported again it changes nothing; one that was broken off goes on where it was,
   when told so and by the same person (`resume`): how far it came is committed with the rows, so that none is applied
   twice
3. rows that are refused are reported, each with its line, and the others are taken; with `whole` the file is read once
   without changing anything, and is imported in one transaction if every row is good
4. entries become a batch of proposals. Until the file's end was reached nobody can approve it
5. a dry run reads and judges all rows and changes nothing
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from waypass_server import events, together, worsening
from waypass_server.bases import Proposer
from waypass_server.bulk import adding
from waypass_server.bulk.adding import Judged, Numbered
from waypass_server.bulk.errors import BadRow, FileRefused
from waypass_server.bulk.formats import Format, RawRow, read_rows
from waypass_server.bulk.lines import read_line
from waypass_server.bulk.numbers import Numbers
from waypass_server.database import LOCKED, Database
from waypass_server.facts import count_worsened
from waypass_server.life import Actor, Kind
from waypass_server.many_rows import count_again
from waypass_server.models.bulk import Batch, BatchState, Import, ImportKind, ImportState
from waypass_server.models.lists_of_people import Entry, Fact
from waypass_server.models.network import Network, Staff
from waypass_server.refusals import Conflict, Forbidden, NotFound
from waypass_server.roles import Role

AT_ONCE = 5000
"""Rows a transaction."""
MAY = {ImportKind.ENTRIES: (Role.PROPOSER,), ImportKind.FACTS: (Role.DESK, Role.PROPOSER)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file to import. `lines` counts its line feeds: about how many rows it has."""

    file: Path
    form: Format
    kind: ImportKind
    digest: str
    lines: int


@dataclass(kw_only=True, slots=True)
class Result:
    """What became of an import, or in a dry run would. `outcomes`: rows that said what became of the case of an entry
    that is there. `again`: the file was imported before, and nothing was changed;
    `import_id` and `batch_id` are None where there is none.
    """

    rows: int = 0
    added: int = 0
    known: int = 0
    outcomes: int = 0
    refused: int = 0
    import_id: int | None = None
    batch_id: int | None = None
    again: bool = False
    whole: bool = field(default=False)

    def count(self, judged: Judged, refused: int) -> None:
        """Some rows more."""
        self.rows += len(judged.good) + judged.known + len(judged.outcomes) + refused
        self.added += len(judged.good)
        self.known += judged.known
        self.outcomes += len(judged.outcomes)
        self.refused += refused


Report = Callable[[BadRow], None]
Progress = Callable[[int], None]
"""Told how many rows are handled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Importer:
    """Who imports where, and how many rows a transaction. `now` gives UNIX seconds."""

    database: Database
    by: Proposer
    now: Callable[[], int]
    at_once: int = AT_ONCE


def source_of(file: Path, kind: ImportKind, form: Format | None = None) -> Source:
    """Raises `FileRefused`."""
    digest, lines = hashlib.sha256(), 0
    try:
        with file.open("rb") as opened:
            while part := opened.read(1 << 20):
                digest.update(part)
                lines += part.count(b"\n")
    except OSError as error:
        raise FileRefused(f"{file}: cannot be read: {error.strerror or error}") from None
    return Source(file=file, form=form or Format.of(file), kind=kind, digest=digest.hexdigest(), lines=lines)


def member_named(session: Session, network: str, name: str, roles: Sequence[Role]) -> Proposer:
    """A member of staff, with one of these roles (rule 1). Raises `NotFound` or `Forbidden`."""
    query = select(Staff).join(Network, Network.id == Staff.network_id)
    query = query.where(Network.name == network, Staff.name == name, Staff.left_at.is_(None))
    member = session.scalars(query).one_or_none()
    if member is None:
        raise NotFound(f"--as: expected a member of staff of network {network}, got {name!r}")
    found = frozenset(Role(role) for role in member.roles)
    if not found.intersection(roles):
        needed = " or ".join(role.value for role in roles)
        raise Forbidden(f"--as: expected somebody with the role {needed}, {name!r} has not")
    actor = Actor(kind=Kind.STAFF, staff_id=member.id, roles=found)
    return Proposer(actor=actor, staff_id=member.id, network_id=member.network_id, authority_id=member.authority_id)


def find_import(session: Session, network_id: int, kind: ImportKind, digest: str) -> Import | None:
    """The import of this file (rule 2), if it was ever begun."""
    mine = Import.network_id == network_id, Import.kind == kind, Import.digest == digest
    return session.scalars(select(Import).where(*mine)).one_or_none()


def batch_of(session: Session, current: Import, *, lock: bool = False) -> Batch | None:
    """The batch that an import of entries made."""
    query = select(Batch).where(Batch.import_id == current.id)
    return session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()


def dry_run(
    importer: Importer,
    source: Source,
    *,
    report: Report,
    progress: Progress,
    see: Callable[[Judged], None] | None = None,
) -> Result:
    """Rule 5. `see` is told of all that was judged. Raises `FileRefused`, and `PastLimit` when the file's facts would
    make more people yellow than may be.
    """
    result, now = Result(), importer.now()
    people, turned = 0, set[int]()
    for bad, rows in _chunks(source, importer.at_once, 0):
        with importer.database.reading() as session:
            judged = adding.judge(session, source.kind, rows, by=importer.by, now=now)
            more, of_rules = adding.worsened_by(session, judged, by=importer.by, now=now, besides=turned)
        _report(bad, judged, report)
        if see is not None:
            see(judged)
        result.count(judged, len(bad) + len(judged.bad))
        people += more
        turned |= of_rules
        progress(result.rows)
    with importer.database.reading() as session:
        count_worsened(session, importer.by.network_id, importer.by.actor, people, now, dry=True)
    return result


def run(importer: Importer, source: Source, *, whole: bool, resume: bool, report: Report, progress: Progress) -> Result:
    """Import a file by the module's rules. Raises `FileRefused`, `Conflict` or `Forbidden`."""
    with importer.database.reading() as session:
        found = find_import(session, importer.by.network_id, source.kind, source.digest)
        if found is not None and found.state is ImportState.DONE:
            return _result(session, found, again=True)
        if found is not None:
            _check_resume(found, importer.by, resume=resume)
    if whole and found is None:
        return _run_whole(importer, source, report, progress)
    import_id = found.id if found is not None else _begin(importer, source, whole=False)
    done = 0 if found is None else found.rows
    for bad, rows in _chunks(source, importer.at_once, done):
        with importer.database.changing() as session:
            current = _locked(session, import_id, done)
            before, done = done, done + _apply(session, current, importer, source.kind, bad, rows, report)
            if done.bit_length() != before.bit_length():
                count_again(session, Entry if source.kind is ImportKind.ENTRIES else Fact)
        progress(done)
    with importer.database.changing() as session:
        return _finish(session, _locked(session, import_id, done), importer)


def _run_whole(importer: Importer, source: Source, report: Report, progress: Progress) -> Result:
    entries, people = Numbers(), Numbers()

    def see(judged: Judged) -> None:
        entries.add(judged.entries())
        people.add(judged.people())

    result = dry_run(importer, source, report=report, progress=progress, see=see)
    if result.refused:
        return Result(rows=result.rows, refused=result.refused, whole=True)
    done = 0
    try:
        with importer.database.changing() as session:
            current = _new_import(session, importer, source, whole=True)
            if source.kind is ImportKind.FACTS:
                worsening.lock_network(session, importer.by.network_id)  # before people, as all do
            together.lock_first(session, entries, people)
            for bad, rows in _chunks(source, importer.at_once, 0):
                done += _apply(session, current, importer, source.kind, bad, rows, report)
                if current.refused:
                    raise _NotWhole
                progress(done)
            return _finish(session, current, importer)
    except _NotWhole:  # something has changed since the file was read the first time
        return Result(rows=done, refused=1, whole=True)


class _NotWhole(Exception):
    """Takes the transaction back."""


def _begin(importer: Importer, source: Source, *, whole: bool) -> int:
    try:
        with importer.database.changing() as session:
            return _new_import(session, importer, source, whole=whole).id
    except IntegrityError:
        raise Conflict("import: another process has just begun with this file") from None


def _new_import(session: Session, importer: Importer, source: Source, *, whole: bool) -> Import:
    by, now = importer.by, importer.now()
    made = Import(
        network_id=by.network_id,
        kind=source.kind,
        digest=source.digest,
        whole=whole,
        staff_id=by.staff_id,
        state=ImportState.RUNNING,
        rows=0,
        added=0,
        known=0,
        refused=0,
        begun_at=now,
    )
    session.add(made)
    session.flush()
    if source.kind is ImportKind.ENTRIES:
        batch = Batch(
            network_id=by.network_id,
            import_id=made.id,
            state=BatchState.READING,
            entries=0,
            proposed_by=by.staff_id,
            proposed_at=now,
            reached=0,
        )
        session.add(batch)
        session.flush()
    return made


def _apply(
    session: Session,
    current: Import,
    importer: Importer,
    kind: ImportKind,
    bad: Sequence[BadRow],
    rows: Sequence[Numbered],
    report: Report,
) -> int:
    """Some rows; how many."""
    now, batch = importer.now(), _reading(session, current)
    judged = adding.judge(session, kind, rows, by=importer.by, now=now)
    adding.add(session, kind, judged, by=importer.by, batch_id=batch.id if batch else None, now=now)
    _report(bad, judged, report)
    if batch is not None:
        batch.entries += len(judged.good)
    current.added += len(judged.good)
    current.known += judged.known
    current.refused += len(bad) + len(judged.bad)
    current.rows += len(bad) + len(rows)
    session.flush()
    return len(bad) + len(rows)


def _finish(session: Session, current: Import, importer: Importer) -> Result:
    now = importer.now()
    current.state, current.done_at = ImportState.DONE, now
    batch = _reading(session, current)
    if batch is not None:
        batch.state = BatchState.PROPOSED if batch.entries else BatchState.ENDED
        batch.proposed_at = now
        batch.ended_at = None if batch.entries else now
    names = ("rows", "added", "known", "refused") + (("outcomes",) if current.kind is ImportKind.ENTRIES else ())
    counts = {name: getattr(current, name) for name in names}
    events.record(
        session,
        network_id=current.network_id,
        at=now,
        actor=importer.by.actor,
        what="import.done",
        subject=("import", current.id),
        kind=current.kind.value,
        **counts,
        **({} if batch is None else {"batch": batch.id}),
    )
    session.flush()
    return _result(session, current)


def _chunks(source: Source, at_once: int, after: int) -> Iterator[tuple[list[BadRow], list[Numbered]]]:
    """The rows after the first `after` ones, `at_once` at a time."""
    rows: Iterator[RawRow | BadRow] = islice(read_rows(source.file, source.form, source.kind), after, None)
    while some := list(islice(rows, at_once)):
        bad: list[BadRow] = []
        good: list[Numbered] = []
        for row in some:
            read = row if isinstance(row, BadRow) else read_line(source.kind, *row)
            if isinstance(read, BadRow):
                bad.append(read)
            else:
                assert not isinstance(row, BadRow)
                good.append((row[0], read))
        yield bad, good


def _report(bad: Iterable[BadRow], judged: Judged, report: Report) -> None:
    for one in sorted([*bad, *judged.bad], key=lambda each: each.line):
        report(one)


def _check_resume(found: Import, by: Proposer, *, resume: bool) -> None:
    if found.staff_id != by.staff_id:
        raise Forbidden("import: expected the person who began the import of this file, got another")
    if not resume:
        raise Conflict(f"import: this file was begun before and broken off after {found.rows} rows; --resume goes on")


def _locked(session: Session, import_id: int, done: int) -> Import:
    """The import, as far as this process knows it. Raises `Conflict`."""
    current = session.get_one(Import, import_id, with_for_update=LOCKED, populate_existing=True)
    if current.rows != done or current.state is ImportState.DONE:
        raise Conflict("import: another process goes on with this file")
    return current


def _reading(session: Session, current: Import) -> Batch | None:
    """The batch that the rows go into, locked. Raises `Conflict` when somebody has turned it down."""
    batch = batch_of(session, current, lock=True)
    if batch is not None and batch.state is not BatchState.READING:
        raise Conflict(f"import: expected a batch that is still being read, batch {batch.id} is {batch.state.value}")
    return batch


def _result(session: Session, current: Import, *, again: bool = False) -> Result:
    batch = batch_of(session, current)
    return Result(
        rows=current.rows,
        added=current.added,
        known=current.known,
        outcomes=current.outcomes,
        refused=current.refused,
        import_id=current.id,
        batch_id=batch.id if batch else None,
        again=again,
        whole=current.whole,
    )
