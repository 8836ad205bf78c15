"""Places for passes: random free indexes in the network's open status list.

1. An index is drawn at random among all 2^20, so that neighbours in a list say nothing about each other
2. it is not a decoy, and no pass ever had it: an index is never allocated twice, whatever became of its pass,
   and also when the pass itself is forgotten
3. a list that is over `full` gets no more passes: a new one is opened, and taken as soon as it has a published
   version (until then the old one is filled up to `brim`, so that no pass stands in a list that no reader can hold
   yet)

The list's row is locked while indexes are drawn, so two transactions cannot draw the same one.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, union_all
from sqlalchemy.orm import Session

from waypass_protocol.bits import LIST_INDEXES
from waypass_protocol.names import list_name
from waypass_server.models.status import Decoy, ListVersion, PassRow, StatusList, UsedIndex

_ASKED_AT_ONCE = 500  # SQLite allows more; one statement stays short


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRules:
    """When a list counts as full, in allocated indexes, and how many of a new list are decoys."""

    full: int = LIST_INDEXES * 8 // 10
    brim: int = LIST_INDEXES * 95 // 100
    decoys: int = 8192


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Indexes of one list that are now taken."""

    list_id: int
    uri: str
    indexes: tuple[int, ...]


class Allocator:
    """Draws places. `draw` must not be predictable outside tests; `uri_prefix` begins each list's URI."""

    def __init__(self, *, uri_prefix: str, draw: random.Random, rules: ListRules | None = None) -> None:
        self._prefix = uri_prefix
        self._draw = draw
        self._rules = rules or ListRules()

    def allocate(self, session: Session, network_id: int, count: int, now: int) -> Places:
        """Take `count` indexes in the session's transaction."""
        chosen = self._choose(session, network_id, count, now)
        indexes: list[int] = []
        while len(indexes) < count:
            wanted = min(count - len(indexes), _ASKED_AT_ONCE)
            drawn = set(self._draw.sample(range(LIST_INDEXES), wanted)).difference(indexes)
            free = drawn - _taken(session, chosen.id, drawn)
            indexes += self._draw.sample(sorted(free), len(free))
        chosen.allocated += count
        return Places(list_id=chosen.id, uri=chosen.uri, indexes=tuple(indexes))

    def open_list(self, session: Session, network_id: int, now: int) -> StatusList:
        """A new list with its decoys; the publisher gives it its first version."""
        names = session.scalars(select(StatusList.name).where(StatusList.network_id == network_id))
        number = 1 + max((int(name) for name in names if name.isdecimal()), default=0)
        uri = f"{self._prefix}{number}"
        opened = StatusList(
            network_id=network_id, name=list_name(uri), uri=uri, allocated=0, closed=False, created_at=now
        )
        session.add(opened)
        session.flush()
        decoys = self._draw.sample(range(LIST_INDEXES), self._rules.decoys)
        session.execute(insert(Decoy), [{"list_id": opened.id, "idx": idx} for idx in sorted(decoys)])
        return opened

    def _choose(self, session: Session, network_id: int, count: int, now: int) -> StatusList:
        """Rule 3."""
        query = select(StatusList).where(StatusList.network_id == network_id, StatusList.closed.is_(False))
        open_lists = session.scalars(query.order_by(StatusList.id).with_for_update()).all()
        if not open_lists:
            return self.open_list(session, network_id, now)
        current = open_lists[0]
        if current.allocated + count <= self._rules.full:
            return current
        successor = open_lists[1] if len(open_lists) > 1 else self.open_list(session, network_id, now)
        published = session.get(ListVersion, successor.id) is not None
        if not published and current.allocated + count <= self._rules.brim:
            return current
        current.closed = True
        return successor


def _taken(session: Session, list_id: int, indexes: set[int]) -> set[int]:
    asked = sorted(indexes)
    passes = select(PassRow.idx).where(PassRow.list_id == list_id, PassRow.idx.in_(asked))
    used = select(UsedIndex.idx).where(UsedIndex.list_id == list_id, UsedIndex.idx.in_(asked))
    decoys = select(Decoy.idx).where(Decoy.list_id == list_id, Decoy.idx.in_(asked))
    return set(session.scalars(union_all(passes, used, decoys)))


def decoys_of(session: Session, list_id: int) -> Sequence[int]:
    """The decoys of a list, ascending."""
    return session.scalars(select(Decoy.idx).where(Decoy.list_id == list_id).order_by(Decoy.idx)).all()
