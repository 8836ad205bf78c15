"""How changes come into the public log.

1. A change and its leaf are one transaction: the session that records events (`events`) adds their leaves as the last
   thing before its commit (`Database.changing`). What is rolled back leaves no leaf, and no gap.
2. Leaves are numbered under the lock of the network's row in `log_trees`, which is the last lock that a change takes:
   whoever holds it waits for nobody, and holds it for the few statements until the commit.
3. A leaf is a commitment to the event's record under a random salt. Record and salt are kept beside it, with the person
   whom it concerns, if it is about one.
4. Adding n leaves costs their hashes and O(log n) more, whatever the log's size; memory stays within `AT_ONCE` leaves.
   Rows go in many at a time (`many_rows`), and the tree is hashed level by level.
5. `UNLOGGED` are events that change nothing about anybody. A leaf for each would tell the public when people's phones
   fetch passes, and when staff sign in.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from sqlalchemy import delete, exists, inspect, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from waypass_protocol.logrecords import SALT_LENGTH, LogRecord, commit
from waypass_protocol.merkle import Frontier, leaf_hash
from waypass_server.database import Database, RandomBytes
from waypass_server.many_rows import add_rows
from waypass_server.models.lists_of_people import Entry, Exemption, Fact, Objection
from waypass_server.models.public_log import LogLeaf, LogNode, LogOpening, LogTree
from waypass_server.models.records import EmergencyWithdrawal, Event
from waypass_server.models.rules import RuleProposal

AT_ONCE = 2000
TILE_LEVELS = 8
"""A tile has 2^8 hashes, so the nodes that are kept are those of each eighth level."""
UNLOGGED = frozenset({"passes.issued", "console.signed-in", "sign-in.waits"})
_T = TypeVar("_T")
_OF_PERSON: dict[str, InstrumentedAttribute[int]] = {
    "entry": Entry.person_id,
    "fact": Fact.person_id,
    "exemption": Exemption.person_id,
    "withdrawal": EmergencyWithdrawal.person_id,
    "rule-proposal": RuleProposal.person_id,
}


@dataclass(frozen=True, slots=True)
class Change:
    """An event that is stored, as the log takes it. `person_id` is whom it concerns, or None; `record` is the record
    (`LogRecord`) as it is committed to.
    """

    event_id: int
    person_id: int | None
    record: bytes


def append_events(session: Session, events: Sequence[Event], random_bytes: RandomBytes) -> None:
    """Add the leaves of events that this transaction wrote; those that a savepoint took back are left out."""
    session.flush()
    networks: dict[int, list[Event]] = defaultdict(list)
    for each in events:
        if inspect(each).persistent and each.what not in UNLOGGED:
            networks[each.network_id].append(each)
    for network_id, group in networks.items():
        append(session, network_id, changes_of(session, group), random_bytes)


def changes_of(session: Session, events: Sequence[Event]) -> Iterator[Change]:
    """The events as the log takes them, in their order."""
    for batch in _batches(events):
        people = _people(session, batch)
        for each in batch:
            yield Change(each.id, people.get((each.subject, each.subject_id)), record_of(each).to_bytes())


def record_of(event: Event) -> LogRecord:
    """The record that an event's leaf commits to."""
    return LogRecord(
        at=event.at,
        actor=event.actor,
        staff=event.staff_id,
        what=event.what,
        subject=event.subject,
        subject_id=event.subject_id,
        details=event.details,
    )


def append(session: Session, network_id: int, changes: Iterable[Change], random_bytes: RandomBytes) -> None:
    """Add leaves under rule 2. The lock is held until the session's transaction ends."""
    frontier = lock_tree(session, network_id)
    for batch in _batches(changes):
        frontier = _append_some(session, network_id, frontier, batch, random_bytes)
    tree = update(LogTree).where(LogTree.network_id == network_id)
    session.execute(tree.values(size=frontier.size, hashes=frontier.to_bytes()))


def lock_tree(session: Session, network_id: int) -> Frontier:
    """The network's tree, locked until the transaction ends; an empty one is made where there is none."""
    query = select(LogTree.size, LogTree.hashes).where(LogTree.network_id == network_id).with_for_update()
    row = session.execute(query).one_or_none()
    if row is None:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        empty = dialect.insert(LogTree).values(network_id=network_id, size=0, hashes=b"")
        session.execute(empty.on_conflict_do_nothing())
        row = session.execute(query).one()
    return Frontier.from_bytes(row.size, row.hashes)


def catch_up(database: Database) -> int:
    """Add the leaves of events that were written before there was a log; how many."""
    missing = ~exists().where(LogOpening.event_id == Event.id)
    wanted = select(Event).where(missing, Event.what.not_in(UNLOGGED)).order_by(Event.id).limit(AT_ONCE)
    with database.reading() as session:
        # A person who was forgotten has events without an opening, and leaves all the same.
        if session.scalars(select(LogTree.network_id)).first() is not None:
            return 0
    added = 0
    with database.changing() as session:
        while events := session.scalars(wanted).all():
            append_events(session, events, database.random_bytes)
            session.expunge_all()
            added += len(events)
    return added


def forget_person(session: Session, person_id: int) -> int:
    """Delete record and salt of every leaf that concerns a person, and its event; how many. The leaves stay."""
    query = select(LogOpening.event_id).where(LogOpening.person_id == person_id)
    event_ids = session.scalars(query).all()
    session.execute(delete(LogOpening).where(LogOpening.person_id == person_id))
    for batch in _batches(event_ids):
        session.execute(delete(Event).where(Event.id.in_(batch)).execution_options(synchronize_session=False))
    return len(event_ids)


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    source = iter(items)
    while batch := list(islice(source, AT_ONCE)):
        yield batch


def _append_some(
    session: Session, network_id: int, frontier: Frontier, changes: Sequence[Change], random_bytes: RandomBytes
) -> Frontier:
    drawn = random_bytes(SALT_LENGTH * len(changes))
    salts = [drawn[at : at + SALT_LENGTH] for at in range(0, len(drawn), SALT_LENGTH)]
    leaves = [commit(salt, change.record) for salt, change in zip(salts, changes, strict=True)]
    places = range(frontier.size, frontier.size + len(changes))
    grown, nodes = frontier.extend([leaf_hash(leaf) for leaf in leaves], every=TILE_LEVELS)
    add_rows(
        session,
        LogLeaf,
        ("network_id", "idx", "leaf"),
        [(network_id, *row) for row in zip(places, leaves, strict=True)],
    )
    openings = [
        (network_id, idx, change.event_id, change.person_id, salt, change.record)
        for idx, change, salt in zip(places, changes, salts, strict=True)
    ]
    add_rows(session, LogOpening, ("network_id", "idx", "event_id", "person_id", "salt", "record"), openings)
    kept = [(network_id, node.level // TILE_LEVELS, node.index, node.hash) for node in nodes]
    add_rows(session, LogNode, ("network_id", "level", "idx", "hash"), kept)
    return grown


def _people(session: Session, events: Sequence[Event]) -> dict[tuple[str, int], int]:
    """Whom each subject concerns, where it is a person's."""
    ids: dict[str, set[int]] = defaultdict(set)
    for each in events:
        ids[each.subject].add(each.subject_id)
    found = {("person", number): number for number in ids.get("person", ())}
    for subject, column in _OF_PERSON.items():
        if wanted := ids.get(subject):
            key = column.class_.id
            rows = session.execute(select(key, column).where(key.in_(wanted)))
            found |= {(subject, number): person_id for number, person_id in rows}
    if wanted := ids.get("objection"):
        query = select(Objection.id, Entry.person_id).join(Entry, Entry.id == Objection.entry_id)
        rows = session.execute(query.where(Objection.id.in_(wanted)))
        found |= {("objection", number): person_id for number, person_id in rows}
    return found
