"""What happens by itself: notices leave, entries take effect, expire and lapse, facts and exemptions run out.

`tick` does what is due at the clock's time, in short transactions, and can be called at any moment and by several
processes:

1. notices that wait are sent, and their delivery is recorded
2. for each person whose `reassess_at` has come: each entry takes the steps that are due, in this order: expired,
   lapsed for want of reconfirmation, lapsed for want of a decision, in effect; then the person is reassessed
3. what nothing needs any more is forgotten, a batch each time (`forgetting`)

A person whose entries cannot take a step is logged and left for the next tick; nobody else waits for that.

`Scheduler` runs `tick` on a thread of its own, every second and at once when nudged. A tick that fails for want of the
database is logged and tried again. One that fails in a way that nobody foresaw ends the thread, and with it the server
(`serving`): where nothing takes effect and nothing ends by itself, passes would say what is no longer so.
"""

import logging
import threading

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from waypass_server import entries
from waypass_server.aspects import open_decision_deadline
from waypass_server.errors import ServerError
from waypass_server.forgetting import forget
from waypass_server.life import Action, State
from waypass_server.models.lists_of_people import Entry, ObjectionState
from waypass_server.models.network import Network
from waypass_server.models.people import Person
from waypass_server.notifying import SYSTEM, deliver
from waypass_server.reassess import reassess
from waypass_server.services import Services

AT_ONCE = 50
"""People a transaction: other writers wait no longer than that takes."""
PERIOD = 1.0
"""Seconds."""

_log = logging.getLogger(__name__)


def tick(services: Services) -> None:
    """Do all that is due now."""
    deliver(services)
    while _settle_some(services) == AT_ONCE:
        pass
    forget(services)


def settle(session: Session, person_id: int, now: int) -> None:
    """Let a person's entries take the steps that are due, and reassess the person."""
    query = select(Entry).where(Entry.person_id == person_id, Entry.state != State.ENDED).with_for_update()
    for entry in session.scalars(query).all():
        _step(session, entry, now)
    reassess(session, person_id, now)


def _settle_some(services: Services) -> int:
    now = services.now()
    due = (
        select(Person.id)
        .join(Network, Network.id == Person.network_id)
        .where(Person.reassess_at <= now, Network.name == services.settings.network)
        .order_by(Person.reassess_at)
        .limit(AT_ONCE)
    )
    # Looked up first without the writer's lock: most ticks find nobody.
    with services.database.reading() as session:
        people = session.scalars(due).all()
    if people:
        with services.change() as session:
            settled = sum(_try_settle(session, person_id, now) for person_id in people)
        return len(people) if settled else 0
    return 0


def _try_settle(session: Session, person_id: int, now: int) -> bool:
    """Settle in a savepoint of its own."""
    try:
        with session.begin_nested():
            settle(session, person_id, now)
    except ServerError:
        _log.exception("the entries of person %d cannot take the steps that are due", person_id)
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
            try:
                tick(self._services)
            except SQLAlchemyError as error:
                _log.warning("what is due could not be done, trying again: %s", error)
            self._wake.wait(PERIOD)
