"""The log in the database: a leaf for each change in the change's own transaction, without a gap, kept by triggers."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session
from tests.support.office import NOW, Office, make_services

from waypass_protocol.logrecords import check_leaf, read_record
from waypass_protocol.merkle import Frontier, leaf_hash, prove_inclusion, root_of, verify_inclusion
from waypass_server import events, migrations
from waypass_server.database import Database
from waypass_server.life import Actor, Kind
from waypass_server.models.network import Network
from waypass_server.models.people import Person
from waypass_server.models.public_log import LogLeaf, LogNode, LogOpening, LogTree
from waypass_server.models.records import Event
from waypass_server.publiclog import store
from waypass_server.publiclog.tiles import Tiles
from waypass_server.services import Services

pytestmark = pytest.mark.both_stores
ACTOR = Actor(kind=Kind.SYSTEM)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """Services with a network and nothing in its log."""
    made = make_services(tmp_path)
    with made.change() as session:
        session.add(Network(name="metro", created_at=NOW))
    return made


def note(session: Session, what: str = "thing.changed", subject: int = 1) -> None:
    events.record(session, network_id=1, at=NOW, actor=ACTOR, what=what, subject=("thing", subject), number=subject)


def fail(session: Session) -> None:
    note(session, what="thing.undone")
    session.flush()
    raise ZeroDivisionError


def leaves(services: Services) -> list[bytes]:
    with services.database.reading() as session:
        rows = session.execute(select(LogLeaf.idx, LogLeaf.leaf).order_by(LogLeaf.idx)).all()
    assert [row.idx for row in rows] == list(range(len(rows))), "no gap"
    return [row.leaf for row in rows]


def tree(services: Services) -> Frontier:
    with services.database.reading() as session:
        row = session.execute(select(LogTree.size, LogTree.hashes)).one()
    return Frontier.from_bytes(row.size, row.hashes)


def test_each_event_has_its_leaf(office: Office) -> None:
    entry = office.entry_in_effect(office.person(), office.basis())
    with office.services.database.reading() as session:
        unlogged = session.scalars(
            select(Event.what).outerjoin(LogOpening, LogOpening.event_id == Event.id).where(LogOpening.idx.is_(None))
        ).all()
        query = select(LogOpening, LogLeaf.leaf).join(
            LogLeaf, (LogLeaf.network_id == LogOpening.network_id) & (LogLeaf.idx == LogOpening.idx)
        )
        opened = {row.LogOpening.idx: row for row in session.execute(query)}
        person_id = session.scalars(select(Person.id)).one()
    assert unlogged == []
    records = {}
    for idx, row in opened.items():
        check_leaf(row.leaf, row.LogOpening.salt, row.LogOpening.record)
        records[idx] = read_record(row.LogOpening.record)
    in_effect = [(idx, record) for idx, record in records.items() if record.what == "entry.in-effect"]
    ((idx, record),) = in_effect
    assert (record.subject, record.subject_id, record.details["effect"]) == ("entry", entry, "red")
    assert opened[idx].LogOpening.person_id == person_id
    network = [opened[idx].LogOpening.person_id for idx, record in records.items() if record.what == "basis.approved"]
    assert network == [None]
    assert tree(office.services) == Frontier().append(leaf_hash(leaf) for leaf in leaves(office.services))[0]


def test_equal_records_have_other_leaves(services: Services) -> None:
    with services.change() as session:
        note(session)
        note(session)
    first, second = leaves(services)
    assert first != second


def test_what_is_rolled_back_has_no_leaf(services: Services) -> None:
    with services.change() as session:
        note(session)
    with pytest.raises(ZeroDivisionError), services.change() as session:
        fail(session)
    with services.change() as session:
        note(session)
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            fail(session)
        with session.begin_nested():
            note(session, what="thing.kept")
    with services.database.reading() as session:
        records = session.scalars(select(LogOpening.record).order_by(LogOpening.idx)).all()
    assert [read_record(record).what for record in records] == ["thing.changed", "thing.changed", "thing.kept"]
    assert len(leaves(services)) == 3


def test_routine_has_no_leaf(services: Services) -> None:
    with services.change() as session:
        for what in store.UNLOGGED:
            note(session, what=what)
    assert leaves(services) == []


def test_many_at_once_and_one_by_one_are_one_log(services: Services) -> None:
    rows = [events.ManyOf(subject_id=number, person_id=None, details={"number": number}) for number in range(4500)]
    with services.change() as session:
        note(session, subject=9)
    with services.change() as session:
        events.record_many(
            session, network_id=1, at=NOW, actor=ACTOR, what="thing.imported", subject="thing", rows=rows
        )
    with services.change() as session:
        note(session, subject=10)
    found = leaves(services)
    assert len(found) == 4502
    grown, _ = Frontier().append(leaf_hash(leaf) for leaf in found)
    assert tree(services) == grown
    with services.database.reading() as session:
        subjects = session.scalars(
            select(Event.subject_id).join(LogOpening, LogOpening.event_id == Event.id).order_by(LogOpening.idx)
        ).all()
        node_at = Tiles(session, 1).node_at
        assert list(subjects) == [9, *range(4500), 10]
        for size in (1, 255, 256, 257, 4096, 4502):
            root = root_of(size, node_at)
            assert root == Frontier().append(leaf_hash(leaf) for leaf in found[:size])[0].root()
            for index in {0, size // 2, size - 1}:
                proof = prove_inclusion(index, size, node_at)
                verify_inclusion(leaf=leaf_hash(found[index]), index=index, size=size, proof=proof, root=root)


def test_a_tree_of_three_tile_levels(services: Services) -> None:
    """65,536 leaves and one more: a node of level 2 is stored."""
    size = 256 * 256 + 1
    row = events.ManyOf(subject_id=1, person_id=None)
    with services.change() as session:
        events.record_many(
            session, network_id=1, at=NOW, actor=ACTOR, what="thing.imported", subject="thing", rows=[row] * size
        )
    with services.database.reading() as session:
        assert session.execute(select(func.count()).select_from(LogNode).where(LogNode.level == 2)).scalar_one() == 1
        node_at = Tiles(session, 1).node_at
        root = root_of(size, node_at)
        assert root == tree(services).root()
        leaf = session.get_one(LogLeaf, (1, 65_000)).leaf
        proof = prove_inclusion(65_000, size, node_at)
    verify_inclusion(leaf=leaf_hash(leaf), index=65_000, size=size, proof=proof, root=root)


def test_at_once_from_many_threads(services: Services) -> None:
    """Each takes its locks in another order; the log's comes last, so nobody waits in a ring."""
    failures: list[BaseException] = []
    start = threading.Barrier(4)

    def work(seed: int) -> None:
        draw = random.Random(seed)
        try:
            start.wait(30)
            for _ in range(10):
                with services.change() as session:
                    for _ in range(draw.randrange(1, 4)):
                        note(session, subject=seed)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    found = leaves(services)
    assert tree(services) == Frontier().append(leaf_hash(leaf) for leaf in found)[0]
    with services.database.reading() as session:
        assert session.execute(select(func.count()).select_from(Event)).scalar_one() == len(found)


def _changed(table: str) -> Callable[[Session], object]:
    statements = {
        "leaf": update(LogLeaf).values(leaf=bytes(32)),
        "leaf away": delete(LogLeaf),
        "gap": insert(LogLeaf).values(network_id=1, idx=700, leaf=bytes(32)),
        "double": insert(LogLeaf).values(network_id=1, idx=0, leaf=bytes(32)),
        "node": update(LogNode).values(hash=bytes(32)),
        "node away": delete(LogNode),
        "record": update(LogOpening).values(record=b"other"),
        "event": update(Event).values(what="nothing"),
    }
    return lambda session: session.execute(statements[table])


@pytest.mark.parametrize("made_by", ["models", "migrations"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leaf", "log_leaves: the log is only ever added to"),
        ("leaf away", "log_leaves: the log is only ever added to"),
        ("gap", "log_leaves: expected the next number"),
        ("double", "log_leaves: expected the next number|pk_log_leaves"),
        ("node", "log_nodes: the log is only ever added to"),
        ("node away", "log_nodes: the log is only ever added to"),
        ("record", "log_openings: a record is never changed"),
        ("event", "events: the log is only ever added to"),
    ],
)
def test_the_database_itself_keeps_the_log(tmp_path: Path, made_by: str, name: str, message: str) -> None:
    if made_by == "migrations":
        database = Database(f"sqlite:///{tmp_path / 'migrated.db'}")
        migrations.upgrade(database.engine)
    else:
        database = make_services(tmp_path).database
    with database.changing() as session:
        session.add(Network(name="metro", created_at=NOW))
        session.flush()
        rows = [events.ManyOf(subject_id=1, person_id=None)] * 256
        events.record_many(session, network_id=1, at=NOW, actor=ACTOR, what="a", subject="b", rows=rows)
    with pytest.raises(DatabaseError, match=message), database.changing() as session:
        _changed(name)(session)
    database.close()


@pytest.mark.sqlite_only
def test_replacing_a_row_is_no_way_round(services: Services) -> None:
    with services.change() as session:
        note(session)
    with pytest.raises(DatabaseError, match="expected the next number"), services.database.changing() as session:
        session.execute(text("INSERT OR REPLACE INTO log_leaves VALUES (1, 0, x'00')"))


def test_forgetting_a_person_leaves_the_leaf(office: Office) -> None:
    office.entry_in_effect(office.person(), office.basis())
    before = leaves(office.services)
    with office.services.change() as session:
        person_id = session.scalars(select(Person.id)).one()
        gone = store.forget_person(session, person_id)
    assert gone >= 6
    assert leaves(office.services) == before
    with office.services.database.reading() as session:
        left = session.scalars(select(LogOpening.record).where(LogOpening.person_id == person_id)).all()
        assert left == []
        assert "entry.approved" not in session.scalars(select(Event.what)).all()


def test_what_was_before_the_log_is_caught_up(services: Services) -> None:
    row = {"network_id": 1, "at": NOW, "actor": "system", "subject": "thing", "subject_id": 1, "details": {}}
    rows = [{**row, "what": what} for what in ("thing.one", "thing.two")]
    with services.database.changing() as session:
        session.execute(insert(Event), rows)
    assert store.catch_up(services.database) == 2
    assert store.catch_up(services.database) == 0
    assert len(leaves(services)) == 2
