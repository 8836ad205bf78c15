"""What happens by itself: notices leave, entries take effect, expire and lapse, facts and exemptions run out.

`tick` does what is due at the clock's time, in short transactions, and can be called at any moment and by several
processes:

1. what was decided on batches is carried out on their entries (`bulk.carrying`)
2. notices that wait are sent, and their delivery is recorded
3. for each person whose `reassess_at` has come: each entry takes the steps that are due, in this order: expired,
   lapsed for want of reconfirmation, lapsed for want of a decision, in effect; then the person is reassessed, and the
   answers and details of facts that are over go
4. what nothing needs any more is forgotten, a batch each time (`forgetting`)
5. keys that came or changed are logged, and a checkpoint of the public log is signed when one is due (`publiclog`)

Of 1 to 3 a tick does a part of what is due when that is much, and says so: the next one follows at once, and a million
entries keep nothing else waiting. A person whose entries cannot take a step is logged and left for the next tick;
nobody else waits for that.

`Scheduler` runs `tick` on a thread of its own, every second and at once when nudged. A tick that fails for want of the
database is logged and tried again. One that fails in a way that nobody foresaw ends the thread, and with it the server
(`serving`): where nothing takes effect and nothing ends by itself, passes would say what is no longer so.
"""

import logging
import threading
from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from waypass_server import entries, facts, together
from waypass_server.aspects import open_decision_deadline
from waypass_server.bulk import carrying
from waypass_server.delivery import deliver
from waypass_server.errors import ServerError
from waypass_server.forgetting import forget
from waypass_server.keyring import NoSigner
from waypass_server.life import CONFIRMATION_PERIOD, Action, State
from waypass_server.many_rows import AnyRow, among, rows_of
from waypass_server.models import guards
from waypass_server.models.lists_of_people import Entry, ObjectionState
from waypass_server.models.network import Network
from waypass_server.models.people import Person
from waypass_server.notifying import SYSTEM
from waypass_server.outlook import open_decisions
from waypass_server.publiclog import checkpoints, known_keys
from waypass_server.reassess import reassess, reassess_all
from waypass_server.services import Services

AT_ONCE = 2000
"""People a transaction: other writers wait no longer than that takes."""
ONE_BY_ONE = 50
"""Of these so many whose objections were not decided in time."""
TURNS = 8
"""Transactions of a kind, a tick."""
PERIOD = 1.0
"""Seconds."""

_log = logging.getLogger(__name__)


def tick(services: Services) -> bool:
    """Do what is due now; whether there is more of it that can be done at once."""
    more = carrying.carry_on(services, turns=TURNS)
    more |= deliver(services, turns=TURNS)
    more |= _settle(services)
    forget(services)
    known_keys.follow(services)
    _sign_checkpoint(services)
    return more


def settle(session: Session, person_id: int, now: int) -> None:
    """Let a person's entries take the steps that are due, and reassess the person."""
    query = select(Entry).where(Entry.person_id == person_id, Entry.state != State.ENDED)
    for entry in session.scalars(query.order_by(Entry.id).with_for_update(key_share=True)).all():
        _step(session, entry, now)
    reassess(session, person_id, now)


def _settle(services: Services) -> bool:
    """Whether there is more to settle."""
    for _ in range(TURNS):
        now = services.now()
        # Looked up first without the writer's lock: most ticks find nobody.
        with services.database.reading() as session:
            people = session.scalars(_due(services, now)).all()
        if not people:
            return False
        with services.change() as session:
            settled = _settle_together(session, sorted(people), now)
        if not settled or settled == len(people) < AT_ONCE:
            return False
    return True


def _due(services: Services, now: int) -> Select[int]:
    return (
        select(Person.id)
        .join(Network, Network.id == Person.network_id)
        .where(Person.reassess_at <= now, Network.name == services.settings.network)
        .order_by(Person.reassess_at)
        .limit(AT_ONCE)
    )


def _settle_together(session: Session, people: Sequence[int], now: int) -> int:
    """How many were settled. When one of them stands in the way of all, each is settled by itself."""
    try:
        with session.begin_nested():
            return _settle_all(session, people, now)
    except ServerError:
        pass
    except IntegrityError as error:
        if guards.said_by(error) is None:
            raise
    together.lock_first(session, (row.id for row in _alive(session, people)), people)
    return sum(_try_settle(session, person_id, now) for person_id in people)


def _settle_all(session: Session, people: Sequence[int], now: int) -> int:
    """How many were settled: all of them together, but for a few whose objections were not decided in time."""
    alive = _alive(session, people)
    decisions = open_decisions(session, people)
    expired: list[AnyRow] = []
    lapsed: list[AnyRow] = []
    undecided: set[int] = set()
    for row in alive:
        if row.ends_at <= now:
            expired.append(row)
        elif row.confirmed_at is not None and row.confirmed_at + CONFIRMATION_PERIOD <= now:
            lapsed.append(row)
        elif decisions.get(row.id, now + 1) <= now:
            undecided.add(row.person_id)
    facts.forget_details(session, people, now)
    one_by_one = sorted(undecided)[:ONE_BY_ONE]
    together.lock_first(session, (), sorted({*one_by_one, *(row.person_id for row in (*expired, *lapsed))}))
    together.end(session, [row.id for row in expired], Action.EXPIRE, actor=SYSTEM, now=now)
    together.end(session, [row.id for row in lapsed], Action.LAPSE, actor=SYSTEM, now=now)
    others = [person_id for person_id in people if person_id not in undecided]
    together.take_effect(session, others, actor=SYSTEM, now=now)
    settled = reassess_all(session, others, now)
    return settled + sum(_try_settle(session, person_id, now) for person_id in one_by_one)


def _alive(session: Session, people: Sequence[int]) -> Sequence[AnyRow]:
    """Their entries, locked: before any of the people are."""
    query = select(Entry.id, Entry.person_id, Entry.ends_at, Entry.confirmed_at)
    alive = among(session, Entry.person_id, people), Entry.state != State.ENDED
    return rows_of(session, query.where(*alive).order_by(Entry.id).with_for_update(key_share=True))


def _sign_checkpoint(services: Services) -> None:
    """Rule 4. What keeps it from being signed keeps nothing else."""
    try:
        checkpoints.sign_if_due(services)
    except NoSigner:
        pass  # `serving` says so at the start, and `health` all the time
    except checkpoints.DamagedLog as error:
        _log.error("no checkpoint is signed: %s", error)


def _try_settle(session: Session, person_id: int, now: int) -> bool:
    """Settle in a savepoint of its own."""
    try:
        with session.begin_nested():
            settle(session, person_id, now)
    except ServerError:
        _log.exception("the entries of person %d cannot take the steps that are due", person_id)
        return False
    except IntegrityError as error:
        guard = guards.said_by(error)
        if guard is None:
            raise
        _log.error("the entries of person %d cannot take the steps that are due: %s", person_id, guard)
        return False
    return True


def _step(session: Session, entry: Entry, now: int) -> None:
    confirm_by, decide_by = entry.confirm_by(), open_decision_deadline(entry)
    if entry.ends_at <= now:
        entries.end(session, entry, Action.EXPIRE, actor=SYSTEM, now=now)
    elif confirm_by is not None and confirm_by <= now:
        entries.end(session, entry, Action.LAPSE, actor=SYSTEM, now=now)
    elif decide_by is not None and decide_by <= now:
        for objection in entry.objections:
            if objection.state is ObjectionState.OPEN:
                objection.state = ObjectionState.LAPSED
        entries.end(session, entry, Action.LAPSE, actor=SYSTEM, now=now)
    elif entry.state is State.NOTIFIED and entry.takes_effect_at is not None and entry.takes_effect_at <= now:
        entries.take_effect(session, entry, actor=SYSTEM, now=now)


class Scheduler:
    """Runs `tick` until it is stopped."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="scheduler")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._thread.is_alive()

    def join(self, *, timeout: float) -> None:
        """Wait until the thread has ended, at most `timeout` seconds."""
        self._thread.join(timeout)

    def nudge(self) -> None:
        """Something changed: look now."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the tick that runs, and end."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            more = False
            try:
                more = tick(self._services)
            except SQLAlchemyError as error:
                _log.warning("what is due could not be done, trying again: %s", error)
            if not more:
                self._wake.wait(PERIOD)
