"""Places for passes: random free indexes in the network's open status list for their kind.

1. An index is drawn at random among all that are free, so that neighbours in a list say nothing about each other, and
   a batch is spread over the whole list
2. it is not a decoy, and no pass ever had it: an index is never allocated twice, whatever became of its pass,
   and also when the pass itself is forgotten
3. a list that is over `full`, or older than `oldest`, gets no more passes: a new one is opened, and taken as soon as it
   has a published version (until then the old one is filled up to `brim`, so that no pass stands in a list that no
   reader can hold yet)
4. bound and paper passes stand in lists of their own: a list lives as long as its last pass, and one paper pass would
   keep a list of bound ones alive for a month. A list's name says which it is (`p7`: paper), and no more than the
   `cnf` of its passes does
5. no list is opened with which a head could be larger than readers take (`TooManyLists`): before that the open one is
   filled up to `brim`

What is used is a bit in one of a list's 1,024 blocks, each of which knows how many are free. A draw looks at these
numbers and then at the blocks that it hits, so it takes as long in an empty list as in one with its last free index.

The list's row is locked while indexes are drawn, so two transactions cannot draw the same one. More are drawn than are
asked for, and the next batches take of them (`reserve`): they hold the row for reading only, so that it is not closed
before their passes are there. A list that is too old is not even held: who held it and went on to open the next one
would wait for others who do the same.
"""

import random
import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import TypedDict

from sqlalchemy import ColumnElement, bindparam, select, update
from sqlalchemy.orm import Session

from waypass_protocol.bits import LIST_INDEXES
from waypass_protocol.names import list_name
from waypass_protocol.status import MAX_HEAD, largest_head
from waypass_server.database import alone
from waypass_server.errors import ServerError
from waypass_server.many_rows import add_rows, rows_of, table_of
from waypass_server.models.network import Network
from waypass_server.models.status import Block, Decoy, ListVersion, PassKind, StatusList
from waypass_server.refusals import Problem
from waypass_server.reserve import Reserve

BLOCK = 1024
"""Indexes in a block."""
BLOCKS = LIST_INDEXES // BLOCK
DECOYS = 8192
DAY = 24 * 3600
_FEW = 8
"""Below this part of a block, or of a list, its free places are few."""
_MANY = BLOCKS // 2
"""Places, from which on most blocks are hit."""
_NUMBER = struct.Struct("<I")  # of 32 bits: a multiple of a list's size, so that each index has the same chance
# For each character of a binary number: whether it stands for a free index.
_IS_FREE = bytes(each == ord("0") for each in range(256))


_lists = table_of(StatusList)
_STILL_OPEN = (
    select(_lists.c.uri)
    .where(_lists.c.id == bindparam("list"), _lists.c.closed.is_(False), _lists.c.created_at > bindparam("after"))
    .with_for_update(read=True)
)
_PAPER = "p"
"""What the names of lists for paper passes begin with; those of others are numbers alone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRules:
    """When a list counts as full, in allocated indexes, and as old, in seconds; how many of a new list are decoys."""

    full: int = LIST_INDEXES * 99 // 100
    brim: int = LIST_INDEXES - DECOYS
    oldest: int = 30 * DAY
    decoys: int = DECOYS


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Indexes of one list that are now taken."""

    list_id: int
    uri: str
    indexes: tuple[int, ...]


class TooManyLists(Problem):
    """A head that names one list more could be larger than readers take."""

    status = 503
    name = "too-many-lists"
    title = "No status list can be opened for more passes"


class PrefixTaken(ServerError):
    """Another network's lists in this database begin with the same URI."""


def check_prefix(session: Session, network_id: int | None, prefix: str) -> None:
    """Each network has a prefix of its own: a URI names one list. Raises `PrefixTaken`."""
    query = (
        select(StatusList.uri, Network.name)
        .join(Network, Network.id == StatusList.network_id)
        .where(StatusList.network_id != network_id, StatusList.uri.startswith(prefix, autoescape=True))
    )
    for uri, name in session.execute(query):
        if uri.removeprefix(prefix).removeprefix(_PAPER).isdecimal():
            raise PrefixTaken(
                f"status_uri_prefix: expected one that no other network of the database has, "
                f"got {prefix!r}, which is that of network {name}"
            )


class BlockRow(TypedDict):
    """A row of `status_blocks`."""

    list_id: int
    number: int
    free: int
    used: bytes


class Allocator:
    """Draws places for passes of one `kind`. `draw` must not be predictable outside tests; `uri_prefix` begins each
    list's URI. Without a `reserve` nothing is drawn ahead."""

    def __init__(
        self,
        *,
        uri_prefix: str,
        draw: random.Random,
        rules: ListRules | None = None,
        reserve: Reserve | None = None,
        kind: PassKind = PassKind.BOUND,
    ) -> None:
        self._prefix = uri_prefix
        self._kind = kind
        self._draw = draw
        self._rules = rules or ListRules()
        self._reserve = reserve or Reserve(most=0)

    def allocate(self, session: Session, network_id: int, count: int, now: int) -> Places:
        """Take `count` indexes in the session's transaction. Raises `TooManyLists`."""
        return self._of_reserve(session, network_id, count, now) or self._drawn(session, network_id, count, now)

    def _of_reserve(self, session: Session, network_id: int, count: int, now: int) -> Places | None:
        """Of those that were drawn before, while their list is the one to take from."""
        taken = self._reserve.take((network_id, self._kind), count)
        if taken is None:
            return None
        list_id, indexes = taken
        young = {"list": list_id, "after": now - self._rules.oldest}
        row = session.connection().execute(_STILL_OPEN, young).one_or_none()
        if row is None:
            self._reserve.let_go((network_id, self._kind), list_id)
            return None
        return Places(list_id=list_id, uri=row.uri, indexes=tuple(indexes))

    def _drawn(self, session: Session, network_id: int, count: int, now: int) -> Places:
        """Newly drawn, and more for the reserve while the list has room."""
        chosen = self._choose(session, network_id, count, now)
        # Of a list that is only filled until there is another, nothing is kept.
        old = now - chosen.created_at >= self._rules.oldest
        room = 0 if old else max(0, self._rules.full - chosen.allocated - count)
        drawn = count + min(room, self._reserve.ahead((network_id, self._kind), count))
        indexes = self._take(session, chosen.id, drawn)
        chosen.allocated += drawn
        self._reserve.put_after_commit(session, (network_id, self._kind), chosen.id, indexes[count:])
        return Places(list_id=chosen.id, uri=chosen.uri, indexes=tuple(indexes[:count]))

    def open_list(self, session: Session, network_id: int, now: int) -> StatusList:
        """A new list with its decoys; the publisher gives it its first version. Raises `TooManyLists`."""
        mark = _PAPER if self._kind is PassKind.PAPER else ""
        of_kind = StatusList.network_id == network_id, _is_for(self._kind)
        names = session.scalars(select(StatusList.name).where(*of_kind))
        numbers = [name.removeprefix(mark) for name in names]
        number = 1 + max((int(text) for text in numbers if text.isdecimal()), default=0)
        uri = f"{self._prefix}{mark}{number}"
        check_prefix(session, network_id, self._prefix)
        _check_head(session, network_id, uri)
        opened = StatusList(
            network_id=network_id, name=list_name(uri), uri=uri, allocated=0, closed=False, created_at=now
        )
        session.add(opened)
        session.flush()
        decoys = self._draw.sample(range(LIST_INDEXES), self._rules.decoys)
        add_rows(session, Decoy, ("list_id", "idx"), [(opened.id, idx) for idx in sorted(decoys)])
        blocks = blocks_with(opened.id, decoys)
        add_rows(session, Block, tuple(BlockRow.__annotations__), [tuple(row.values()) for row in blocks])
        return opened

    def _take(self, session: Session, list_id: int, count: int) -> list[int]:
        """`count` free indexes, each with the same chance, in any order, and from now on used."""
        query = select(Block.number, Block.free).where(Block.list_id == list_id, Block.free > 0)
        rows = session.execute(query.order_by(Block.number)).all()
        if count >= _MANY and sum(free for _, free in rows) >= LIST_INDEXES // _FEW:
            return self._take_many(session, list_id, count)
        ends = list(accumulate(free for _, free in rows))
        # Of all free indexes, counted through, these; each is then the so-and-so-manieth of its block.
        of_block: dict[int, list[int]] = defaultdict(list)
        for rank in sorted(self._draw.sample(range(ends[-1]), count)):
            at = bisect_right(ends, rank)
            of_block[rows[at].number].append(rank - ends[at] + rows[at].free)
        indexes: list[int] = []
        changed = []
        hit = select(Block.number, Block.used).where(Block.list_id == list_id, Block.number.in_(of_block))
        for number, stored in session.execute(hit.order_by(Block.number)):
            used = int.from_bytes(stored, "little")
            taken = self._take_in(used, of_block[number])
            indexes += (BLOCK * number + place for place in taken)
            changed.append(_block_row(list_id, number, used | sum(1 << place for place in taken)))
        _store(session, changed)
        return self._draw.sample(indexes, count)  # in an order of their own: they came sorted

    def _take_many(self, session: Session, list_id: int, count: int) -> list[int]:
        """The same where many indexes are free and many are taken: it is quicker to try indexes of the whole list."""
        query = select(Block.used).where(Block.list_id == list_id).order_by(Block.number)
        used = bytearray().join(session.scalars(query))
        taken: list[int] = []
        while len(taken) < count:
            drawn = self._draw.randbytes(4 * (count - len(taken)))
            for (number,) in _NUMBER.iter_unpack(drawn):
                idx = number % LIST_INDEXES
                if not used[idx >> 3] >> (idx & 7) & 1:
                    used[idx >> 3] |= 1 << (idx & 7)
                    taken.append(idx)
        size = BLOCK // 8
        _store(
            session,
            [
                _block_row(list_id, number, int.from_bytes(used[size * number : size * (number + 1)], "little"))
                for number in sorted({idx // BLOCK for idx in taken})
            ],
        )
        return taken

    def _take_in(self, used: int, ranks: Sequence[int]) -> list[int]:
        """As many free places of a block as there are ranks, each with the same chance, ascending. Where many are free,
        it is quicker to try places than to list the free ones; the chances are the same.
        """
        if BLOCK - used.bit_count() < BLOCK // _FEW:
            free = _free_in(used)
            return [free[rank] for rank in ranks]
        taken: list[int] = []
        while len(taken) < len(ranks):
            place = self._draw.randrange(BLOCK)
            if not used >> place & 1:
                used |= 1 << place
                taken.append(place)
        return sorted(taken)

    def _choose(self, session: Session, network_id: int, count: int, now: int) -> StatusList:
        """Rule 3."""
        open_lists = self._lock_open_lists(session, network_id)
        if not open_lists:
            # Another process may just be opening the first one, or may have closed the one that was waited for.
            alone(session, "lists", network_id)
            open_lists = self._lock_open_lists(session, network_id)
        if not open_lists:
            return self.open_list(session, network_id, now)
        current = open_lists[0]
        old = now - current.created_at >= self._rules.oldest
        if current.allocated + count <= self._rules.full and not old:
            return current
        # Looked at again: who held the list before may have opened the next one.
        open_lists = self._lock_open_lists(session, network_id)
        to_the_brim = current.allocated + count <= self._rules.brim
        try:
            successor = open_lists[1] if len(open_lists) > 1 else self.open_list(session, network_id, now)
        except TooManyLists:
            if to_the_brim:
                return current
            raise
        published = session.get(ListVersion, successor.id) is not None
        if not published and to_the_brim:
            return current
        current.closed = True
        return successor

    def _lock_open_lists(self, session: Session, network_id: int) -> Sequence[StatusList]:
        """Oldest first."""
        is_open = StatusList.network_id == network_id, StatusList.closed.is_(False), _is_for(self._kind)
        fresh = select(StatusList).where(*is_open).order_by(StatusList.id).execution_options(populate_existing=True)
        return session.scalars(fresh.with_for_update(key_share=True)).all()


def _is_for(kind: PassKind) -> ColumnElement[bool]:
    """Rule 4: whether a list is one for passes of this kind."""
    for_paper = StatusList.name.startswith(_PAPER)
    return for_paper if kind is PassKind.PAPER else ~for_paper


def _check_head(session: Session, network_id: int, uri: str) -> None:
    """Rule 5. Raises `TooManyLists`."""
    network = session.get_one(Network, network_id)
    alive = StatusList.network_id == network_id, StatusList.ended_at.is_(None)
    uris = [*session.scalars(select(StatusList.uri).where(*alive)), uri]
    if (size := largest_head(network.name, uris)) > MAX_HEAD:
        raise TooManyLists(
            f"status lists: expected heads of at most {MAX_HEAD} bytes, with {len(uris)} lists they could have {size}; "
            "lists end with their last pass"
        )


def blocks_with(list_id: int, used: Iterable[int]) -> list[BlockRow]:
    """The rows of a list's blocks in which these indexes are used and no others."""
    bits: dict[int, int] = defaultdict(int)
    for idx in used:
        bits[idx // BLOCK] |= 1 << idx % BLOCK
    return [_block_row(list_id, number, bits[number]) for number in range(BLOCKS)]


def _store(session: Session, changed: Sequence[BlockRow]) -> None:
    """Write blocks anew."""
    blocks = table_of(Block)
    same = blocks.c.list_id == bindparam("of_list"), blocks.c.number == bindparam("at")
    statement = update(blocks).where(*same).values(free=bindparam("now_free"), used=bindparam("now_used"))
    session.connection().execute(
        statement,
        [
            {"of_list": row["list_id"], "at": row["number"], "now_free": row["free"], "now_used": row["used"]}
            for row in changed
        ],
    )


def _block_row(list_id: int, number: int, used: int) -> BlockRow:
    free, bits = BLOCK - used.bit_count(), used.to_bytes(BLOCK // 8, "little")
    return BlockRow(list_id=list_id, number=number, free=free, used=bits)


def _free_in(used: int) -> list[int]:
    """The places in a block that are free, ascending."""
    digits = f"{used:0{BLOCK}b}".encode().translate(_IS_FREE)
    return list(compress(range(BLOCK), digits[::-1]))


def decoys_of(session: Session, list_id: int) -> Sequence[int]:
    """The decoys of a list, ascending."""
    found = rows_of(session, select(Decoy.idx).where(Decoy.list_id == list_id).order_by(Decoy.idx))
    return [idx for (idx,) in found]
