"""What the server forgets by itself, because nothing needs it any more.

1. a pass, `KEPT` seconds after it expired: the link to the person, what it said and when. What stays is a bit among
   those of its list (`indexes`), so that its index is never given out again, until the list has ended
2. a nonce that expired, and those of a wallet that ended
3. a desk code that expired, used or not
4. a wallet that ended, once its nonces are gone
5. a wrong desk code, and what was tried in vain at the sign-in, when its window is over
6. a session at the console that has ended, and a form that was sent in one that has
7. that a request with a key was carried out, a day after it was
8. a file that was brought to be imported, `KEPT` seconds after that; its content goes with the import
9. an enrolment link that was not used, a sign-in that was begun and not finished, and an API token `KEPT_TOKEN` seconds
   after it ended
10. a notice of an entry that was not sent, since the entry ended before that, `KEPT` seconds after the end
11. that staff replaced a paper pass, a day after it counts against no limit any more
12. what rules saw of a certificate that was withdrawn, when it is over and would do nothing if it were reinstated

Each call does at most one batch of each kind, so that no other writer waits for long; the scheduler calls every
second. A look that finds nothing takes no writer's lock, and what another process holds just now is left for later.

What was decided about people (entries, objections, facts, what they were told, the log) is not forgotten here: it is
what people are answered with, and for how long it is kept is for law and operator to say (`erasure`).
"""

from typing import Any

from sqlalchemy import ColumnElement, CursorResult, and_, delete, exists, null, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from waypass_server.console.sessions import LONGEST
from waypass_server.life import State
from waypass_server.models.console import ConsoleSession, FilePart, Submission, WaitingFile
from waypass_server.models.lists_of_people import Entry, Fact
from waypass_server.models.people import DeskCode, FailedEnrolment, Wallet
from waypass_server.models.records import Notice, NoticeKind, ReplacedPaper
from waypass_server.models.requests import DoneRequest
from waypass_server.models.sign_in import ApiToken, Ceremony, EnrolmentLink, FailedSignIn
from waypass_server.models.status import Challenge, PassRow
from waypass_server.people import ATTEMPT_WINDOW
from waypass_server.services import Services
from waypass_server.signin import attempts
from waypass_server.withdrawals import DAY, MONTH

KEPT = 3600
"""Seconds; far more than gates' clocks differ, after which a pass cannot open anything."""
KEYS_KEPT = 86_400
KEPT_TOKEN = 90 * 86_400
"""Seconds in which an API token that has ended can still be told from one that never was."""
AT_ONCE = 2000
"""Rows of a kind in a second; as many passes as live for a day on a network with 10^8 of them."""

_Kind = tuple[InstrumentedAttribute[Any], ColumnElement[bool]]


def forget(services: Services) -> int:
    """Forget a batch of each kind; how many rows went."""
    now = services.now()
    old, others = PassRow.exp <= now - KEPT, _others(now)
    seen = Fact.withdrawn_at.is_not(None) & Fact.details.is_not(null()) & (Fact.valid_until <= now)
    with services.database.reading() as session:
        looks = [select(key).where(over).limit(1) for key, over in ((PassRow.id, old), (Fact.id, seen), *others)]
        if all(session.scalars(look).first() is None for look in looks):
            return 0
    # Not `services.change`: nothing that anybody waits for has changed.
    with services.database.changing() as session:
        gone = _forget_passes(session, old) + _forget_details(session, seen)
        return gone + sum(_forget(session, key, over) for key, over in others)


def _others(now: int) -> list[_Kind]:
    """Rules 2 to 11: what names a row, and when it goes. A wallet has to wait for its nonces."""
    ended = select(Wallet.id).where(Wallet.ended_at <= now)
    brought = select(WaitingFile.id).where(WaitingFile.at <= now - KEPT)
    parts = exists().where(FilePart.file_id == WaitingFile.id)
    nonces = exists().where(Challenge.wallet_id == Wallet.id)
    return [
        (Challenge.digest, (Challenge.expires_at <= now) | Challenge.wallet_id.in_(ended)),
        (DeskCode.id, DeskCode.expires_at <= now),
        # Later than it ended: a request that came in just before may be writing a nonce still.
        (Wallet.id, (Wallet.ended_at <= now - KEPT) & ~nonces),
        (FailedEnrolment.id, FailedEnrolment.at <= now - ATTEMPT_WINDOW),
        (FailedSignIn.id, FailedSignIn.at <= now - attempts.WINDOW),
        (FailedSignIn.id, FailedSignIn.account.is_(None) & (FailedSignIn.at <= now - attempts.SOURCE_WINDOW)),
        (EnrolmentLink.id, EnrolmentLink.ends_at <= now),
        (Ceremony.owner_hash, Ceremony.ends_at <= now),
        (ApiToken.id, (ApiToken.ends_at <= now - KEPT_TOKEN) | (ApiToken.revoked_at <= now - KEPT_TOKEN)),
        (ReplacedPaper.id, ReplacedPaper.at <= now - MONTH - DAY),
        (ConsoleSession.id, ConsoleSession.ends_at <= now),
        (Submission.id, Submission.at <= now - LONGEST),
        (DoneRequest.id, DoneRequest.at <= now - KEYS_KEPT),
        (FilePart.file_id, FilePart.file_id.in_(brought)),
        (WaitingFile.id, (WaitingFile.at <= now - KEPT) & ~parts),
        (Notice.id, _not_sent(now)),
    ]


def _not_sent(now: int) -> ColumnElement[bool]:
    """Rule 10. Later than the end: it may just have been on its way. Only the oldest that wait are looked through."""
    oldest = select(Notice.id).where(Notice.delivered_at.is_(None)).order_by(Notice.id).limit(AT_ONCE)
    ended = exists().where(Entry.id == Notice.entry_id, Entry.state == State.ENDED, Entry.ended_at <= now - KEPT)
    return and_(Notice.id.in_(oldest), Notice.delivered_at.is_(None), Notice.kind == NoticeKind.ENTRY, ended)


def _forget_passes(session: Session, old: ColumnElement[bool]) -> int:
    """Rule 1."""
    query = select(PassRow.id).where(old).order_by(PassRow.exp).limit(AT_ONCE)
    rows = session.scalars(query.with_for_update(skip_locked=True)).all()
    if rows:
        session.execute(delete(PassRow).where(PassRow.id.in_(rows)))
    return len(rows)


def _forget_details(session: Session, seen: ColumnElement[bool]) -> int:
    """Rule 12; the fact itself stays."""
    batch = select(Fact.id).where(seen).limit(AT_ONCE).with_for_update(skip_locked=True)
    over = update(Fact).where(Fact.id.in_(batch)).values(details=None)
    done = session.execute(over.execution_options(synchronize_session=False))
    assert isinstance(done, CursorResult)
    return done.rowcount


def _forget(session: Session, key: InstrumentedAttribute[Any], over: ColumnElement[bool]) -> int:
    batch = select(key).where(over).limit(AT_ONCE).with_for_update(skip_locked=True)
    done = session.execute(delete(key.class_).where(key.in_(batch)).execution_options(synchronize_session=False))
    assert isinstance(done, CursorResult)
    return done.rowcount
