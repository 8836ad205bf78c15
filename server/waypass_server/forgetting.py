"""What the server forgets by itself, because nothing needs it any more.

1. a pass, `KEPT` seconds after it expired: the link to the person, what it said and when. What stays is that its index
   was used, among all the others in no order, so that it is never given out again
2. a nonce that expired, and those of a wallet that ended
3. a desk code that expired, used or not
4. a wallet that ended, once its nonces are gone
5. a wrong desk code, and a wrong token at the console, when its window is over
6. a session at the console that has ended, and a form that was sent in one that has

Each call does at most one batch of each kind, so that no other writer waits for long; the scheduler calls every
second. A look that finds nothing takes no writer's lock.

What was decided about people (entries, objections, facts, notices, the log) is not forgotten here: it is what people
are answered with, and for how long it is kept is for law and operator to say.
"""

from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, exists, insert, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from waypass_server.console.sessions import LONGEST
from waypass_server.models.console import ConsoleSession, FailedSignIn, Submission
from waypass_server.models.people import DeskCode, FailedEnrolment, Wallet
from waypass_server.models.status import Challenge, PassRow, UsedIndex
from waypass_server.people import ATTEMPT_WINDOW
from waypass_server.services import Services

KEPT = 3600
"""Seconds; far more than gates' clocks differ, after which a pass cannot open anything."""
AT_ONCE = 500

_Kind = tuple[InstrumentedAttribute[Any], ColumnElement[bool]]


def forget(services: Services) -> int:
    """Forget a batch of each kind; how many rows went."""
    now = services.now()
    old, others = PassRow.exp <= now - KEPT, _others(now)
    with services.database.reading() as session:
        looks = [select(key).where(over).limit(1) for key, over in ((PassRow.id, old), *others)]
        if all(session.scalars(look).first() is None for look in looks):
            return 0
    # Not `services.change`: nothing that anybody waits for has changed.
    with services.database.changing() as session:
        return _forget_passes(session, old) + sum(_forget(session, key, over) for key, over in others)


def _others(now: int) -> list[_Kind]:
    """Rules 2 to 6: what names a row, and when it goes. A wallet has to wait for its nonces."""
    ended = select(Wallet.id).where(Wallet.ended_at <= now)
    nonces = exists().where(Challenge.wallet_id == Wallet.id)
    return [
        (Challenge.digest, (Challenge.expires_at <= now) | Challenge.wallet_id.in_(ended)),
        (DeskCode.id, DeskCode.expires_at <= now),
        # Later than it ended: a request that came in just before may be writing a nonce still.
        (Wallet.id, (Wallet.ended_at <= now - KEPT) & ~nonces),
        (FailedEnrolment.id, FailedEnrolment.at <= now - ATTEMPT_WINDOW),
        (FailedSignIn.id, FailedSignIn.at <= now - ATTEMPT_WINDOW),
        (ConsoleSession.id, ConsoleSession.ends_at <= now),
        (Submission.id, Submission.at <= now - LONGEST),
    ]


def _forget_passes(session: Session, old: ColumnElement[bool]) -> int:
    """Rule 1."""
    query = select(PassRow.id, PassRow.list_id, PassRow.idx).where(old).order_by(PassRow.exp).limit(AT_ONCE)
    rows = session.execute(query.with_for_update()).all()
    if not rows:
        return 0
    # Sorted by place, so that nothing of the order in which they were issued goes over.
    places = sorted((list_id, idx) for _, list_id, idx in rows)
    session.execute(insert(UsedIndex), [{"list_id": list_id, "idx": idx} for list_id, idx in places])
    session.execute(delete(PassRow).where(PassRow.id.in_([row_id for row_id, _, _ in rows])))
    return len(rows)


def _forget(session: Session, key: InstrumentedAttribute[Any], over: ColumnElement[bool]) -> int:
    batch = select(key).where(over).limit(AT_ONCE)
    done = session.execute(delete(key.class_).where(key.in_(batch)).execution_options(synchronize_session=False))
    assert isinstance(done, CursorResult)
    return done.rowcount
