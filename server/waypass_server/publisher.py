"""The publisher: carries every committed change to the broker, and says all the time what is current.

Rules:

1. A first change leaves at once. Changes that come within `gather` seconds after a version wait for each other and
   leave together as the next one. It is woken by `nudge`; every `poll` seconds it looks into the outbox by itself,
   for changes of other processes and for those whose process died between commit and nudge.
2. Order on the wire: delta, then head. A head goes out after each version and at least every `head_every` seconds.
   What follows a delta at once follows it on the wire too. After many at once (rule 4) the head waits until they are
   acknowledged, for it would overtake those that wait for their turn. It waits as long as acknowledgements come: from
   a broker that gives none for `confirm` seconds readers still have to hear that what did not change is current.
3. Delta N goes out only when the broker, on this connection, has acknowledged a snapshot of version N - 32 or newer.
   Snapshots are made ahead of need, one at a time and on a thread beside this one (see `versions`), so that no change
   waits for one. Each goes out twice: as the standard has it, and, for thin links, in whichever form is smaller.
4. At each connection everything retained is published anew: snapshots, and once they are acknowledged the rings, then
   the head. A broker that comes back empty is so refilled; for one that kept everything it is the same content again.
5. Without a broker versions and snapshots are made all the same, for those who fetch status lists over HTTP: what is
   stored is never more than a snapshot and the deltas of a ring. Nothing is queued: the next connection is told what
   is true then.
6. An error of the database: what is in memory is dropped and loaded again after `retry` seconds, until then nothing
   is signed, and lists grow old at the gates as they should. An error of the bus: rule 4 applies again.
7. Without a key that may sign status lists nothing is made and nothing is published; the log says so once, and it
   goes on by itself when there is a key (looked for every `retry` seconds). What was committed meanwhile leaves then.
8. When another key signs, or when readers no longer accept a key that they did (it ended, or left the trust set),
   rule 4 applies as to a new connection: snapshots and head signed by the key in force, and the ring, in which what
   readers would refuse is signed anew (see `versions`). A reader judges by the keys in its trust set, and its floors
   lapse with a key that leaves it; so whatever it trusts, it finds the present, and nothing that it must report.
9. A list that has ended (see `versions`; looked for every `end_every` seconds) is not in the next head. What the broker
   retains of it is cleared after that, and anew on another connection until all of it was acknowledged.
10. It stops for good, and says so in the log and in `failure`, when another publisher has taken over, when the
   database does not add up, when the network is not defined, when its lists' URIs are another network's, when it has
   more lists than a head can name, or when the database is older than what readers hold (rule 13).
11. Of several processes on PostgreSQL the one with the seat publishes (`seat`). The others stand by: they make and
   publish nothing, and tell their listeners what the database says. Who comes to the seat loads what is stored and
   begins with rule 4; who has lost it, or finds that another one has taken over, stands by again.
12. The newest checkpoint of the public log is looked for every `poll` seconds, after whatever had to be said; a new one
   is retained under `log/checkpoint` and is in each head from then on, the next of which goes out at once.

13. Before anything is said at a connection, or with lists that were loaded since, the head that the broker retains is
   looked at. It is stored before it is published, so the database knows it and its versions, whichever process made it;
   one that says more shows that the database is an older copy (see `versions`). What no accepted key signed tells
   nothing, nor does a broker that has none. A broker that does not let it be read is asked again with the heads.

SIGKILL, at each point:

- before the commit of a change: nothing happened, and whoever asked has no answer
- after it, before the nudge or while gathering: the outbox has the change; the next start, or the next look, makes
  the version
- in the transaction that makes a version: it is rolled back; the outbox still has the change
- after that commit, before or while publishing: delta, version and the head's sequence are stored; the next start
  publishes the stored bytes (rule 4) and a head with a higher sequence. The version is never signed a second time
  with other changes
- while a snapshot is made: the older snapshot and all deltas since are stored still
- between commit and PUBACK of a snapshot: the next connection begins with snapshots, and rings follow their PUBACKs
- in the middle of a refill: the next connection refills from its beginning; messages may come twice or in any order
  (wire format, section 4: assembly does not depend on it)
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import SQLAlchemyError

from waypass_protocol.errors import ProtocolError
from waypass_protocol.keys import Use
from waypass_protocol.status import DELTA_RING, HeadRow, read_head
from waypass_protocol.topics import Topics
from waypass_server.bus import BusState, MessageBus, Receipt
from waypass_server.errors import BusError, NotConfirmed, NotConnected, ServerError
from waypass_server.indexes import Allocator, PrefixTaken, TooManyLists
from waypass_server.keyring import NoSigner
from waypass_server.publiclog import checkpoints
from waypass_server.seat import FreeSeat, Seat
from waypass_server.services import Services
from waypass_server.status_storage import DamagedStatus
from waypass_server.versions import (
    Made,
    OlderThanBroker,
    Restored,
    SignedDelta,
    SignedSnapshot,
    TakenOver,
    UnknownNetwork,
    Versions,
)

RING_NEEDS = DELTA_RING // 2
"""How many versions the acknowledged snapshot may be behind a delta."""

_FOR_GOOD = TakenOver, DamagedStatus, UnknownNetwork, PrefixTaken, TooManyLists, Restored, OlderThanBroker
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """How often and how long, in seconds."""

    gather: float = 0.2
    head_every: float = 30.0
    poll: float = 0.5
    retry: float = 1.0
    confirm: float = 5.0
    end_every: float = 60.0


class Trouble(StrEnum):
    """What keeps a publisher from publishing for now."""

    NO_KEY = "no-key"
    DATABASE = "database"
    BROKER = "broker"


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """What is current from now on. `committed_at`: the time (UNIX seconds) at which somebody said that the change was
    committed; where nobody did before it was found, the whole second that the change itself says; None where there is
    no change, or another process publishes. `ended`: lists that readers may hold a while longer.
    """

    rows: tuple[HeadRow, ...]
    committed_at: float | None
    ended: frozenset[str] = frozenset()


class Publisher:
    """Publishes for one network, on a thread of its own between `start` and `stop`.

    The bus is the caller's: start it after this, stop it after this.
    """

    def __init__(
        self,
        services: Services,
        bus: MessageBus,
        *,
        pace: Pace | None = None,
        seat: Seat | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._bus = bus
        settings = services.settings
        self._pace = pace or Pace(gather=settings.gather, head_every=settings.head_every)
        self._seat = seat or FreeSeat()
        self._monotonic = monotonic
        self._topics = Topics(settings.network)
        self._versions = Versions(
            database=services.database,
            network=settings.network,
            keys=services.keys,
            allocator=Allocator(uri_prefix=settings.status_uri_prefix, draw=services.indexes),
            draw=services.indexes,
            random_bytes=services.random_bytes,
        )
        self._wake = threading.Condition()
        self._nudged = self._stopping = False
        self._nudged_at: float | None = None
        self._listeners: list[Callable[[Publication], None]] = []
        self._refill_wanted = True
        self._snapshots: dict[str, tuple[int, Receipt]] = {}
        self._acknowledged: dict[str, int] = {}
        self._workers: ThreadPoolExecutor | None = None
        self._making: Future[SignedSnapshot] | None = None
        self._clearing: dict[str, Sequence[Receipt]] = {}  # empty until a head without the list has left
        never = float("-inf")
        self._look_at = self._head_at = self._retry_at = self._gathered_at = self._end_at = never
        self._checkpoint_at = self._compare_at = never
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._signed_by: bytes | None = None
        self._accepted: frozenset[bytes] = frozenset()
        self.trouble: Trouble | None = None
        """What keeps it from publishing for now (rules 6 and 7), or None."""
        self.failure: ServerError | None = None
        """Why it stopped for good (rule 10), or None."""

    def listen(self, listener: Callable[[Publication], None]) -> None:
        """Tell `listener` what is current, on the publisher's thread and before the broker is told; call it before
        `start`. With each head, so also when nothing has changed.
        """
        self._listeners.append(listener)

    def start(self) -> None:
        """Begin. It can be started once."""
        self._bus.on_connect(self.connected)
        self._workers = ThreadPoolExecutor(1, thread_name_prefix="publisher snapshots")
        self._seat.start(moved=self._seat_moved, heard=self.nudge)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; a turn that has begun is finished first."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        self._seat.stop()
        if self._workers is not None:
            self._workers.shutdown()

    def join(self, *, timeout: float) -> None:
        """Wait until the thread has ended (see `failure`), at most `timeout` seconds."""
        self._thread.join(timeout)

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread.is_alive()

    @property
    def standing_by(self) -> bool:
        """Whether another process publishes (rule 11)."""
        return not self._seat.held

    def nudge(self) -> None:
        """Something was committed: look now. Any thread may call it; it returns at once."""
        with self._wake:
            if not self._nudged:
                self._nudged_at = self._services.clock.now()
            self._nudged = True
            self._wake.notify()

    def turn(self) -> None:
        """Do all that is due now. Raises what rules 6, 7 and 10 speak of; `start` has a thread that lives by them."""
        moment, now = self._monotonic(), self._services.now()
        if not self._seat.held:
            self._stand_by(moment)
            return
        self._follow_keys(now)
        if not self._versions.loaded:
            self._versions.load(now)
            self._compare_at = float("-inf")
        made = self._make_changes(moment, now)
        if self._bus.state is not BusState.CONNECTED:
            self._refill_wanted = True
            self._compare_at = float("-inf")
            self._make_snapshots(now)
            self._end_lists(moment, now)
            return
        try:
            self._compare(now, moment)
            self._say(made, now, moment)
            self._end_lists(moment, now)
            self._follow_checkpoint(moment)
        except (BusError, SQLAlchemyError, NoSigner):  # a refill may have stopped half-way
            self._refill_wanted = True
            raise

    def connected(self) -> None:
        """There is a new connection to the broker: publish everything anew (rule 4). Called by the bus."""
        with self._wake:
            self._refill_wanted = True
            self._compare_at = float("-inf")
            self._wake.notify()

    def _seat_moved(self) -> None:
        with self._wake:
            self._look_at = float("-inf")
            self._wake.notify()

    def _stand_by(self, moment: float) -> None:
        """Rule 11."""
        self._versions.forget()
        self._refill_wanted = True
        with self._wake:
            self._nudged = False
            self._look_at = moment + self._pace.poll
        rows = self._versions.rows_of_others(self._services.now())
        if rows:
            self._tell(rows, None)

    def _follow_keys(self, now: int) -> None:
        """Rules 7 and 8. Raises `NoSigner`."""
        keys = self._services.keys
        signer, accepted = keys.signer(Use.STATUS, now).kid, keys.trusted(Use.STATUS, now)
        if signer != self._signed_by or not self._accepted <= accepted:
            self._refill_wanted = True
        self._signed_by, self._accepted = signer, accepted

    def _make_changes(self, moment: float, now: int) -> Made | None:
        """Rule 1."""
        with self._wake:
            nudged, looks = self._nudged, moment >= self._look_at
            if moment < self._gathered_at or not (nudged or looks):
                return None
            committed_at = self._nudged_at if nudged else None
            self._nudged = False
        if looks:
            self._look_at = moment + self._pace.poll
            made = self._versions.make(now) if self._versions.pending() else None
        else:
            made = self._versions.make_if_changed(now)
            if made is None and self._versions.pending():  # the first pass of its kind opened a list, and stands in it
                made = self._versions.make(now)
        if made is not None:
            self._gathered_at = moment + self._pace.gather
            self._tell(made.rows, made.committed_at if committed_at is None else committed_at)
        return made

    def _make_head(self, now: int) -> Made:
        """A head, with whatever change has come since the last look."""
        made = self._versions.make(now)
        self._tell(made.rows, made.committed_at)
        return made

    def _tell(self, rows: tuple[HeadRow, ...], committed_at: float | None) -> None:
        for listener in self._listeners:
            listener(Publication(rows=rows, committed_at=committed_at, ended=self._versions.ended))

    def _say(self, made: Made | None, now: int, moment: float) -> None:
        """Whatever the broker has to be told now. Raises `BusError`."""
        if self._refill_wanted:
            self._refill(now)
        elif made is not None:
            self._publish(made, now)
        elif moment >= self._head_at:
            self._publish(self._make_head(now), now)
        self._renew_snapshots(now)
        if self._clearing and moment < self._head_at:
            self._clear_ended()

    def _run(self) -> None:
        while self._wait():
            try:
                self.turn()
                self.trouble = None
            except _FOR_GOOD as error:
                if isinstance(error, TakenOver) and self._seat.shared:
                    _log.warning("standing by: %s", error)
                    self._seat.give_up()
                    continue
                _log.error("publishing has stopped: %s", error)
                self.failure = error
                return
            except SQLAlchemyError as error:
                _log.error("nothing can be published now: %s", error)
                self._versions.forget()
                self._wait_with(Trouble.DATABASE)
            except NoSigner as error:
                if self.trouble is not Trouble.NO_KEY:
                    _log.error("nothing can be published until there is a key: %s", error)
                self._wait_with(Trouble.NO_KEY)
            except BusError as error:
                _log.warning("the broker did not take everything, starting over: %s", error)
                self._wait_with(Trouble.BROKER)

    def _wait_with(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self._retry_at = self._monotonic() + self._pace.retry

    def _wait(self) -> bool:
        """Wait until something is due; False when it is time to stop."""
        with self._wake:
            while not self._stopping:
                moment = self._monotonic()
                if moment < self._retry_at:
                    self._wake.wait(self._retry_at - moment)
                    continue
                connected = self._bus.state is BusState.CONNECTED and self._seat.held
                if connected and self._refill_wanted:
                    return True
                nudged = self._nudged and self._seat.held
                due = max(self._gathered_at, moment if nudged else self._look_at)
                if connected:
                    due = min(due, self._head_at)
                if moment >= due or (self._seat.held and self._made_one()):
                    return True
                self._wake.wait(due - moment)
        return False

    def _publish(self, made: Made, now: int) -> None:
        """Rules 2 and 3."""
        for delta in made.deltas:
            self._await_snapshot(delta.name, delta.version - RING_NEEDS, now)
            self._send_delta(delta)
        for name in self._versions.names:
            if name not in self._snapshots:  # a list that was opened just now: its snapshot goes before the head
                self._send_snapshot(self._versions.snapshot(name))
        self._send_head(made)

    def _compare(self, now: int, moment: float) -> None:
        """Rule 13. Raises `OlderThanBroker`, or `BusError` when the broker does not answer."""
        if moment < self._compare_at:
            return
        self._compare_at = float("inf")
        try:
            found = self._bus.retained(self._topics.head, timeout=self._pace.confirm)
        except (NotConnected, NotConfirmed):
            self._compare_at = moment
            raise
        except BusError as error:
            _log.warning("what the broker holds is not compared with the database: %s", error)
            self._compare_at = moment + self._pace.head_every
            return
        try:
            head = read_head(found.get(self._topics.head, b""), self._services.keys.trust_set(), now)
        except ProtocolError:
            return
        if head.network == self._services.settings.network:
            self._versions.check_not_older(head)

    def _refill(self, now: int) -> None:
        """Rule 4."""
        with self._wake:
            self._refill_wanted = False
        self._snapshots.clear()
        self._acknowledged.clear()
        self._clearing = dict.fromkeys(self._versions.to_clear(), ())
        for name in self._versions.names:
            usable = self._versions.snapshot_usable(name, now)
            self._send_snapshot(self._versions.snapshot(name) if usable else self._versions.renew_snapshot(name, now))
        deltas = []
        for name in self._versions.names:
            self._await_snapshot(name, self._versions.version(name) - RING_NEEDS, now)
            deltas += [self._send_delta(delta) for delta in self._versions.ring(name, now)]
        self._await_deltas(deltas)
        self._publish(self._make_head(now), now)
        self._send_checkpoint()

    def _await_deltas(self, receipts: Sequence[Receipt]) -> None:
        """Rule 2, for many. Raises `BusError` when the connection has ended."""
        try:
            for receipt in receipts:
                receipt.wait(timeout=self._pace.confirm)
        except NotConfirmed as error:
            if self._refill_wanted or self._bus.state is not BusState.CONNECTED:
                raise
            _log.warning("the head leaves before what it names is acknowledged: %s", error)

    def _follow_checkpoint(self, moment: float) -> None:
        """Rule 12."""
        if moment < self._checkpoint_at:
            return
        self._checkpoint_at = moment + self._pace.poll
        with self._services.database.reading() as session:
            found = checkpoints.newest_of(session, self._services.settings.network)
        if found is not None and found.note != self._versions.checkpoint:
            self._versions.checkpoint = found.note
            self._send_checkpoint()
            self._head_at = moment

    def _renew_snapshots(self, now: int) -> None:
        """Rule 3: send what was made."""
        for made in self._make_snapshots(now):
            self._send_snapshot(made)

    def _make_snapshots(self, now: int) -> list[SignedSnapshot]:
        """Store the one that was made, and let the next one be made; here, where there is no thread for it."""
        stored = []
        if self._made_one():
            assert self._making is not None
            making, self._making = self._making, None
            if (made := self._versions.store_snapshot(making.result())) is not None:
                stored.append(made)
        for name in self._versions.names:
            if self._making is None and self._versions.snapshot_due(name, now):
                if self._workers is None:
                    stored.append(self._versions.renew_snapshot(name, now))
                else:
                    self._making = self._workers.submit(self._versions.snapshot_work(name, now))
                    self._making.add_done_callback(self._notify_made)
        return stored

    def _made_one(self) -> bool:
        return self._making is not None and self._making.done()

    def _notify_made(self, _made: Future[SignedSnapshot]) -> None:
        with self._wake:
            self._wake.notify()

    def _end_lists(self, moment: float, now: int) -> None:
        """Rule 9: end what is over, after all that is due; the head that follows no longer names it."""
        if moment < self._end_at:
            return
        ended = self._versions.end_lists(now)
        if ended:
            self._clearing |= dict.fromkeys(ended, ())
            self._head_at = moment
        else:
            self._end_at = moment + self._pace.end_every

    def _clear_ended(self) -> None:
        """Rule 9: after a head, let the broker forget what ended, and remember once it has."""
        for name, receipts in list(self._clearing.items()):
            if not receipts:
                self._clearing[name] = self._clear(name)
            elif all(receipt.confirmed for receipt in receipts):
                self._versions.cleared(name)
                del self._clearing[name]

    def _clear(self, name: str) -> list[Receipt]:
        topics = [self._topics.snapshot(name), self._topics.compact(name)]
        topics += [self._topics.delta(name, number) for number in range(DELTA_RING)]
        return [self._bus.publish(topic, b"", qos=1, retain=True) for topic in topics]

    def _await_snapshot(self, name: str, version: int, now: int) -> None:
        """Return once the broker has a snapshot of at least `version`. Raises `BusError`."""
        if self._acknowledged.get(name, 0) >= version:
            return
        if name not in self._snapshots or self._snapshots[name][0] < version:
            self._send_snapshot(self._versions.renew_snapshot(name, now))
        sent, receipt = self._snapshots[name]
        receipt.wait(timeout=self._pace.confirm)
        self._acknowledged[name] = sent

    def _send_snapshot(self, snapshot: SignedSnapshot) -> None:
        before = self._snapshots.get(snapshot.name)
        if before is not None and before[1].confirmed:
            self._acknowledged[snapshot.name] = before[0]
        receipt = self._bus.publish(self._topics.snapshot(snapshot.name), snapshot.signed, qos=1, retain=True)
        self._bus.publish(self._topics.compact(snapshot.name), snapshot.compact, qos=1, retain=True)
        self._snapshots[snapshot.name] = snapshot.version, receipt

    def _send_delta(self, delta: SignedDelta) -> Receipt:
        return self._bus.publish(self._topics.delta(delta.name, delta.version), delta.signed, qos=1, retain=True)

    def _send_checkpoint(self) -> None:
        if self._versions.checkpoint is not None:
            note = self._versions.checkpoint.encode()
            self._bus.publish(self._topics.log_checkpoint, note, qos=1, retain=True)

    def _send_head(self, made: Made) -> None:
        self._bus.publish(self._topics.head, made.head, qos=0, retain=True)
        self._head_at = self._monotonic() + self._pace.head_every
