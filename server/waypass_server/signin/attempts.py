"""Waits that grow with what was tried in vain: for the place that it came from, and for the account that it was about.

1. `FREE_OF_ACCOUNT` wrong passwords or codes about one account within a day cost nothing; from then on each makes the
   account wait twice as long as the one before, from `FIRST_WAIT` to `LONGEST_WAIT` seconds. A day's guesses are a
   hundred, of a password and a code that change together
2. the same for a place: `FREE_OF_SOURCE` within ten minutes, of passwords, staff tokens and enrolment codes together
3. an account is 24 bits of a hash of the name that was typed, whether there is such an account or not: waits tell
   nothing about that, and the table nothing of what was typed
4. an account waits for passwords alone. Whoever knows a name can make its owner wait for that, and not keep them from
   signing in with a passkey, at the provider, or with a token: those cannot be guessed, and somebody may have to act

Callers count an attempt before they look at it, and take it back when it was right: of guesses at the same moment each
sees the others.
"""

import hashlib

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session

from waypass_server import events
from waypass_server.database import alone
from waypass_server.life import Actor, Kind
from waypass_server.models.sign_in import FailedSignIn
from waypass_server.refusals import TooMany

WINDOW = 86_400
SOURCE_WINDOW = 600
FREE_OF_ACCOUNT = 5
FREE_OF_SOURCE = 10
FIRST_WAIT = 30
LONGEST_WAIT = 900


class Wait(TooMany):
    """Too much was tried in vain; nothing is looked at for `seconds`."""

    seconds: int

    def __init__(self, seconds: int) -> None:
        super().__init__(f"sign-in: too many wrong attempts; wait {seconds} s, then try again")
        self.seconds = seconds


def account_of(name: str) -> int:
    """What an account is counted by (rule 3)."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "replace")).digest()[:3], "big")


def wait_after(failures: int, free: int) -> int:
    """Seconds that so many failures make one wait, from the newest."""
    if failures < free:
        return 0
    return int(min(LONGEST_WAIT, FIRST_WAIT << min(failures - free, 10)))


def check_source(session: Session, source: str, now: int) -> None:
    """Rule 2; nobody else from there is looked at until the transaction ends. Raises `Wait`."""
    alone(session, "sign-in", source)
    _check(session, FailedSignIn.source == source, FREE_OF_SOURCE, SOURCE_WINDOW, now)


def check_account(session: Session, account: int, now: int) -> None:
    """Rule 1; nobody else is looked at about it until the transaction ends. Raises `Wait`."""
    alone(session, "sign-in account", account)
    _check(session, FailedSignIn.account == account, FREE_OF_ACCOUNT, WINDOW, now)


def count(session: Session, *, source: str, now: int, account: int | None = None) -> None:
    """One more in vain."""
    session.add(FailedSignIn(at=now, source=source, account=account))
    session.flush()


def say_if_waiting(session: Session, *, network_id: int, account: int, staff_id: int | None, now: int) -> None:
    """An event when the account has to wait from now on, also about accounts that there are not. It has no leaf in the
    public log: how often somebody guesses is no business of the public, and would tell it about staff.
    """
    failures, _ = _counted(session, FailedSignIn.account == account, now - WINDOW)
    if failures == FREE_OF_ACCOUNT:
        events.record(
            session,
            network_id=network_id,
            at=now,
            actor=Actor(kind=Kind.SYSTEM),
            what="sign-in.waits",
            subject=("network", network_id),
            account=staff_id,
        )


def take_back(session: Session, account: int) -> None:
    """It was right: what was tried about the account before is over."""
    session.execute(delete(FailedSignIn).where(FailedSignIn.account == account))


def _check(session: Session, whose: ColumnElement[bool], free: int, window: int, now: int) -> None:
    failures, newest = _counted(session, whose, now - window)
    left = newest + wait_after(failures, free) - now
    if failures >= free and left > 0:
        raise Wait(left)


def _counted(session: Session, whose: ColumnElement[bool], since: int) -> tuple[int, int]:
    query = select(func.count(), func.coalesce(func.max(FailedSignIn.at), 0)).select_from(FailedSignIn)
    row = session.execute(query.where(whose, FailedSignIn.at > since)).one()
    return row[0], row[1]
