"""The parts of `import.py`: each runs in a process of its own, so that its peak of memory is its own.

`furnish` makes a network with people who have a pass each; `run` takes a file of entries through everything; `load`
writes all rows that this wrote, and nothing else, into a copy of the database as it was before.
"""

import csv
import json
import random
import resource
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Connection, func, select

from waypass_protocol.keys import Use
from waypass_server import bases, migrations, network_file, worsening
from waypass_server.bases import BasisText, Proposer
from waypass_server.bulk import batches, carrying, preview, runs
from waypass_server.bulk.runs import Importer
from waypass_server.database import Database
from waypass_server.delivery import deliver
from waypass_server.evidence import SignerSet
from waypass_server.indexes import Allocator
from waypass_server.keyring import Keyring, make_key
from waypass_server.life import Actor, Kind
from waypass_server.many_rows import add_rows, table_of
from waypass_server.models import Base
from waypass_server.models.bulk import Batch, Import, ImportKind
from waypass_server.models.lists_of_people import Effect, Entry
from waypass_server.models.network import Staff
from waypass_server.models.people import Person
from waypass_server.models.public_log import LogLeaf, LogNode, LogOpening
from waypass_server.models.records import Event, Notice
from waypass_server.models.status import PassRow
from waypass_server.models.worsening import Level, Window
from waypass_server.network_file import NetworkDefinition
from waypass_server.notices import OutgoingNotice
from waypass_server.publiclog import checkpoints
from waypass_server.roles import Role
from waypass_server.scheduler import tick
from waypass_server.services import Services, SetClock
from waypass_server.settings import Settings
from waypass_server.versions import Versions
from waypass_server.worsening import Subject

NOW = 1_800_000_000
HOUR, DAY, YEAR = 3600, 86_400, 365 * 86_400
NETWORK = "metro"
RIDE = 1
PAGE = 10_000
STAFF = {"proposer": "Casework", "approver": "Second desk", "reviewer": "Third desk"}
_NETWORK = NetworkDefinition.model_validate(
    {
        "name": NETWORK,
        "scopes": [{"number": RIDE, "name": "ride"}],
        "authorities": [{"name": "Metro", "contact": "tel 555-0100"}],
        "staff": [{"name": name, "desk": desk, "roles": [name]} for name, desk in STAFF.items()],
    }
)
_BASIS = BasisText(
    title="Ban from travel after assault on staff",
    citation="Transit Act, section 12",
    health=False,
    effects=(Effect.RED, Effect.YELLOW),
    scopes=(RIDE,),
    longest=60 * DAY,
    notice=2 * HOUR,
    objection_deadline=10 * DAY,
    exclusions=(),
)


class CountingOutbox:
    """Takes every notice and keeps none: how notices travel is not what is measured."""

    def __init__(self) -> None:
        self.sent = 0

    def send(self, _notice: OutgoingNotice) -> str:
        """The receipt is a number."""
        self.sent += 1
        return str(self.sent)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What a run took: seconds by step, this process's processor seconds, and the peak of its memory."""

    seconds: dict[str, float]
    cpu: float
    peak_mb: float
    before_mb: float

    @property
    def total(self) -> float:
        """Seconds."""
        return sum(self.seconds.values())


def make_services(url: str, clock: SetClock) -> Services:
    """A server's services, with a clock that is put forward over notices and limits."""
    uses = (Use.PASS, Use.STATUS, Use.LOG)
    keys = [
        make_key(network=NETWORK, uses=frozenset({use}), nbf=NOW - DAY, exp=NOW + YEAR, private=bytes([number]) * 32)
        for number, use in enumerate(uses, 1)
    ]
    return Services(
        settings=Settings(network=NETWORK),
        database=Database(url),
        clock=clock,
        random_bytes=secrets.token_bytes,
        indexes=random.Random(1),
        keys=Keyring(NETWORK, keys),
        evidence_signers=SignerSet.of([]),
        notices=CountingOutbox(),
    )


def furnish(url: str, rows: int, file: Path) -> None:
    """A network with so many people, a pass each, a basis, limits that were raised by three people, and the file."""
    clock = SetClock(NOW - 4 * DAY)
    services = make_services(url, clock)
    migrations.upgrade(services.database.engine)
    with services.change() as session:
        network_file.apply(session, _NETWORK, random_bytes=secrets.token_bytes, now=services.now())
    basis_id = _basis(services)
    _raise_limits(services, basis_id, rows)
    clock.advance(4 * DAY)
    for first in range(0, rows, PAGE):
        _people(services, range(first, min(first + PAGE, rows)))
    versions_of(services).load(NOW)
    checkpoints.sign_if_due(services)
    with services.database.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    services.database.close()
    _write(file, rows, basis_id)


def run(url: str, file: Path) -> Ran:
    """Import, preview, approve, announce, take effect, publish."""
    clock = SetClock(NOW)
    services = make_services(url, clock)
    versions = versions_of(services)
    versions.load(NOW)
    before_mb = _peak_mb()
    seconds, cpu = {}, time.process_time()
    for name, step in _Way(services, versions, clock, file).steps().items():
        started = time.perf_counter()
        step()
        seconds[name] = time.perf_counter() - started
    cpu = time.process_time() - cpu
    _check(services)
    services.database.close()
    return Ran(seconds=seconds, cpu=cpu, peak_mb=_peak_mb(), before_mb=before_mb)


def load(url: str, written: str) -> tuple[float, float]:
    """Seconds, and this process's processor seconds, that a bare load takes of what `run` wrote into the database
    `written`: into one that it has not touched, with the same indexes and references, without triggers.
    """
    source, target = Database(written), Database(url)
    with target.engine.begin() as connection:
        _drop_triggers(connection, on_postgresql=target.on_postgresql)
    with closing(_Loader(target)) as loader:
        for model, key in ((Import, "id"), (Batch, "id"), *_WRITTEN):
            for page in _new_rows(source, target, model, key):
                loader.add(model, page)
        for page in _withdrawn(source):
            loader.withdraw(page)
        took = loader.seconds, loader.cpu
    source.close()
    target.close()
    return took


def versions_of(services: Services) -> Versions:
    """What the publisher makes versions with."""
    return Versions(
        database=services.database,
        network=NETWORK,
        keys=services.keys,
        allocator=Allocator(uri_prefix="wp:", draw=services.indexes),
        draw=services.indexes,
        random_bytes=secrets.token_bytes,
    )


class _Way:
    """The steps that a file of entries goes, in their order."""

    def __init__(self, services: Services, versions: Versions, clock: SetClock, file: Path) -> None:
        self._services = services
        self._versions = versions
        self._clock = clock
        self._file = file

    def steps(self) -> dict[str, Callable[[], None]]:
        """By name."""
        return {
            "import": self._bring_in,
            "preview": self._look,
            "approve": self._approve,
            "announce": self._announce,
            "take_effect": self._take_effect,
            "publish": self._publish,
        }

    def _bring_in(self) -> None:
        by = _member(self._services, Role.PROPOSER)
        importer = Importer(database=self._services.database, by=by, now=self._services.now)
        source = runs.source_of(self._file, ImportKind.ENTRIES)
        result = runs.run(importer, source, whole=False, resume=False, report=_unexpected, progress=lambda _rows: None)
        assert result.refused == result.known == 0

    def _look(self) -> None:
        with self._services.database.reading() as session:
            seen = preview.look(session, session.scalars(select(Batch)).one(), self._services.now())
        assert (seen.held, seen.live) == (False, seen.people)

    def _approve(self) -> None:
        approver = _member(self._services, Role.APPROVER)
        with self._services.change() as session:
            batch = batches.find_batch(session, 1, 1)
            batches.approve(session, batch, approver=approver, now=self._services.now())
        while carrying.carry_on(self._services, turns=100):
            pass

    def _announce(self) -> None:
        while deliver(self._services, turns=100):
            pass

    def _take_effect(self) -> None:
        self._clock.advance(2 * HOUR)
        while tick(self._services):
            pass

    def _publish(self) -> None:
        while self._versions.make_if_changed(self._services.now()) is not None:
            pass


def _unexpected(row: object) -> None:
    raise AssertionError(str(row))


def _check(services: Services) -> None:
    with services.database.reading() as session:
        people = session.scalar(select(func.count()).select_from(Person))
        gone = session.scalar(select(func.count()).where(PassRow.status == 1))
        in_effect = session.scalar(select(func.count()).where(Entry.effective_at.is_not(None)))
    assert people == gone == in_effect, (people, gone, in_effect)


def _basis(services: Services) -> int:
    now = services.now()
    with services.change() as session:
        version = bases.register(
            session,
            proposer=_member(services, Role.PROPOSER),
            authority="Metro",
            text=_BASIS,
            minimum_notice=HOUR,
            now=now,
        )
        session.flush()
        bases.approve_version(session, version=version, actor=_member(services, Role.APPROVER).actor, now=now)
        return version.basis_id


def _raise_limits(services: Services, basis_id: int, rows: int) -> None:
    """Three people, and 72 hours in public: there is no other way."""
    first, second, third = (_member(services, role) for role in (Role.PROPOSER, Role.APPROVER, Role.REVIEWER))
    subjects = [Subject(network_id=1, level=Level.NETWORK), Subject(network_id=1, level=Level.AUTHORITY, id=1)]
    subjects.append(Subject(network_id=1, level=Level.BASIS, id=basis_id))
    with services.change() as session:
        for subject in subjects:
            for window in Window:
                change = worsening.propose(
                    session,
                    subject,
                    window,
                    2 * rows + 10_000,
                    staff_id=first.staff_id,
                    actor=first.actor,
                    now=services.now(),
                )
                for who in (second, third):
                    worsening.agree(session, change, staff_id=who.staff_id, actor=who.actor, now=services.now())


def _member(services: Services, role: Role) -> Proposer:
    with services.database.reading() as session:
        member = session.scalars(select(Staff).where(Staff.name == role.value)).one()
    actor = Actor(kind=Kind.STAFF, staff_id=member.id, roles=frozenset({role}))
    return Proposer(actor=actor, staff_id=member.id, network_id=member.network_id, authority_id=None)


def _people(services: Services, numbers: range) -> None:
    allocator = Allocator(uri_prefix="wp:", draw=services.indexes)
    with services.change() as session:
        people = [(number + 1, 1, f"p-{number}", NOW) for number in numbers]
        add_rows(session, Person, ("id", "network_id", "reference", "created_at"), people)
        places = allocator.allocate(session, 1, len(numbers), NOW)
        session.flush()
        passes = [
            (number + 1, places.list_id, idx, "bound", json.dumps({str(RIDE): 0}), NOW, NOW + DAY, 0, NOW)
            for number, idx in zip(numbers, places.indexes, strict=True)
        ]
        columns = ("person_id", "list_id", "idx", "kind", "aspects", "iat", "exp", "status", "created_at")
        add_rows(session, PassRow, columns, passes)


def _write(file: Path, rows: int, basis_id: int) -> None:
    """In an order that is not that of the people."""
    numbers = list(range(rows))
    random.Random(2).shuffle(numbers)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["person", "basis", "effect", "scopes", "reason", "case_reference", "ends_at"])
        for number in numbers:
            reason = f"On 3 May at North station a member of staff was struck (report {number})."
            writer.writerow([f"p-{number}", basis_id, "red", RIDE, reason, f"C-{number}", NOW + 30 * DAY])


_WRITTEN = ((Entry, "id"), (Notice, "id"), (Event, "id"), (LogLeaf, "idx"), (LogOpening, "idx"), (LogNode, "idx"))


def _new_rows(source: Database, target: Database, model: type[Base], key: str) -> Iterator[list[tuple[Any, ...]]]:
    """All columns of the rows that the target has not, as the driver takes them."""
    table = table_of(model)
    names = [
        f"CAST({column.name} AS TEXT)" if isinstance(column.type, JSON) else f'"{column.name}"'
        for column in table.columns
    ]
    with target.engine.connect() as connection:
        after = -1
        known = set(connection.execute(select(LogNode.level, LogNode.idx)).all()) if model is LogNode else set()
        if model is not LogNode:
            after = connection.execute(select(func.coalesce(func.max(table.c[key]), -1))).scalar_one()
    query = f"SELECT {', '.join(names)} FROM {table.name} WHERE {key} > {after} ORDER BY {key}"
    with source.engine.connect().execution_options(stream_results=True) as reading:
        for page in reading.exec_driver_sql(query).partitions(PAGE):
            rows = [tuple(row) for row in page]
            yield [row for row in rows if row[1:3] not in known] if known else rows


def _withdrawn(source: Database) -> Iterator[list[tuple[int, int, int]]]:
    query = select(PassRow.list_id, PassRow.idx, PassRow.id).where(PassRow.status == 1).order_by(PassRow.id)
    with source.engine.connect().execution_options(stream_results=True) as reading:
        for page in reading.execute(query).partitions(PAGE):
            yield [(row[0], row[1], row[2]) for row in page]


def _drop_triggers(connection: Connection, *, on_postgresql: bool) -> None:
    """So that nothing but rows and indexes is in the floor."""
    if on_postgresql:
        of_ours = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
        for table in connection.exec_driver_sql(of_ours).scalars().all():
            connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return
    found = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'trigger'").scalars().all()
    for name in found:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")


class _Loader:
    """The quickest way to put rows into a database, a page a transaction, with the driver alone; what it took."""

    def __init__(self, database: Database) -> None:
        self._on_postgresql = database.on_postgresql
        self._connection = database.engine.raw_connection()
        self._raw: Any = self._connection.driver_connection
        self.seconds = self.cpu = 0.0

    def add(self, model: type[Base], rows: Sequence[tuple[Any, ...]]) -> None:
        """New rows, all columns."""
        table = table_of(model)
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        places = ", ".join("?" * len(table.c))
        with self._timed():
            if self._on_postgresql:
                with self._raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
            else:
                self._raw.executemany(f"INSERT INTO {table.name} ({names}) VALUES ({places})", rows)

    def withdraw(self, rows: Sequence[tuple[int, int, int]]) -> None:
        """Passes that get status 1, each with its row in the outbox."""
        columns = "list_id, idx, status, committed_at"
        with self._timed():
            if self._on_postgresql:
                with self._raw.cursor() as cursor:
                    cursor.execute("UPDATE passes SET status = 1 WHERE id = ANY(%s)", [[row[2] for row in rows]])
                    with cursor.copy(f"COPY status_changes ({columns}) FROM STDIN") as copy:
                        for list_id, idx, _ in rows:
                            copy.write_row((list_id, idx, 1, NOW))
            else:
                self._raw.executemany("UPDATE passes SET status = 1 WHERE id = ?", [(row[2],) for row in rows])
                changes = [(list_id, idx, 1, NOW) for list_id, idx, _ in rows]
                self._raw.executemany(f"INSERT INTO status_changes ({columns}) VALUES (?, ?, ?, ?)", changes)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """One transaction."""
        started, cpu = time.perf_counter(), time.process_time()
        if not self._on_postgresql:
            self._raw.execute("BEGIN IMMEDIATE")
        yield
        self._raw.execute("COMMIT")
        self.seconds += time.perf_counter() - started
        self.cpu += time.process_time() - cpu


def _peak_mb() -> float:
    """Of this process, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
