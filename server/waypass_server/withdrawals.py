"""Emergency withdrawals: one person of operations makes all live passes of a holder invalid, at once and for a stated
reason.

1. only passes are touched; the person's standing is as it was, and the wallet gets new passes at once
2. within 24 h at most 100 people, and within 30 days a holder at most 3 times; past that it waits for a second person,
   at another desk (`desks`)
3. each one is logged, and the holder is told
4. staff who make a paper pass in place of a live one take that away as a withdrawal does. It counts against the same
   limits; past them it is refused (`NeedsSecondPerson`), and a withdrawal that a second person confirmed makes way for
   a new paper pass. What holders replace themselves does not count

The limits are sliding counts in the database, over withdrawals that were done by one person or two.
"""

from sqlalchemy import func, select, union, union_all
from sqlalchemy.orm import Session

from waypass_server import desks, events
from waypass_server.database import LOCKED, alone
from waypass_server.life import Actor
from waypass_server.models.people import Person
from waypass_server.models.records import EmergencyWithdrawal, NoticeKind, ReplacedPaper, WithdrawalState
from waypass_server.notifying import tell
from waypass_server.passes import lock_person, withdraw_passes
from waypass_server.refusals import Conflict, NotFound

PEOPLE_A_DAY = 100
A_HOLDER_A_MONTH = 3
DAY = 86_400
MONTH = 30 * DAY


class NeedsSecondPerson(Conflict):
    """A paper pass would be taken away past the limits, which one person cannot do."""

    name = "second-person"
    title = "A second person is needed"


def ask(session: Session, *, person: Person, reason: str, staff_id: int, actor: Actor, now: int) -> EmergencyWithdrawal:
    """Withdraw at once, or wait for a second person when a limit is reached."""
    row = EmergencyWithdrawal(
        network_id=person.network_id,
        person_id=person.id,
        reason=reason,
        state=WithdrawalState.WAITING,
        asked_by=staff_id,
        asked_at=now,
    )
    session.add(row)
    session.flush()
    _count_alone(session, row)
    if past_limits(session, person, now):
        _log(session, row, actor, "withdrawal.waiting", now)
        return row
    return _carry_out(session, row, actor, now)


def confirm(
    session: Session, *, network_id: int, withdrawal_id: int, staff_id: int, actor: Actor, now: int
) -> EmergencyWithdrawal:
    """A second person carries out one that waits. Raises `NotFound`, `SamePerson` or `Forbidden`."""
    row = find_withdrawal(session, network_id, withdrawal_id)
    if row.state is WithdrawalState.DONE:
        return row
    check_confirmer(session, row, staff_id)
    row.confirmed_by = staff_id
    _count_alone(session, row)
    return _carry_out(session, row, actor, now)


def find_withdrawal(session: Session, network_id: int, withdrawal_id: int, *, lock: bool = True) -> EmergencyWithdrawal:
    """Locked until the transaction ends, unless it is only looked at. Raises `NotFound`."""
    row = session.get(EmergencyWithdrawal, withdrawal_id, with_for_update=LOCKED if lock else None)
    if row is None or row.network_id != network_id:
        raise NotFound(f"withdrawal: expected one of the network's withdrawals, got {withdrawal_id}")
    return row


def check_confirmer(session: Session, row: EmergencyWithdrawal, staff_id: int) -> None:
    """It takes two, at two desks. Raises `SamePerson` or `Forbidden`."""
    desks.check_other(session, "confirm", staff_id, [desks.Part(staff_id=row.asked_by, did="asked for the withdrawal")])


def past_limits(session: Session, person: Person, now: int) -> bool:
    """Whether one more withdrawal for this person would wait for a second person (rule 2)."""
    done, replaced = EmergencyWithdrawal.done_at, ReplacedPaper.at
    others = union(
        select(EmergencyWithdrawal.person_id).where(
            EmergencyWithdrawal.network_id == person.network_id,
            EmergencyWithdrawal.person_id != person.id,
            done > now - DAY,
        ),
        select(ReplacedPaper.person_id).where(
            ReplacedPaper.network_id == person.network_id,
            ReplacedPaper.person_id != person.id,
            replaced > now - DAY,
        ),
    )
    of_holder = union_all(
        select(EmergencyWithdrawal.id).where(EmergencyWithdrawal.person_id == person.id, done > now - MONTH),
        select(ReplacedPaper.id).where(ReplacedPaper.person_id == person.id, replaced > now - MONTH),
    )
    people, times = (
        session.execute(select(func.count()).select_from(rows.subquery())).scalar_one() for rows in (others, of_holder)
    )
    return people >= PEOPLE_A_DAY or times >= A_HOLDER_A_MONTH


def count_paper(session: Session, person: Person, *, staff_id: int, now: int) -> None:
    """A member of staff is about to take a live paper pass of this person away with a new one (rule 4); the holder is
    told. Raises `NeedsSecondPerson`.
    """
    lock_person(session, person.id)
    alone(session, "withdrawals", person.network_id)
    if past_limits(session, person, now):
        raise NeedsSecondPerson(
            f"paper pass: expected at most {A_HOLDER_A_MONTH} times in 30 days that staff make passes of a person "
            f"invalid, and at most {PEOPLE_A_DAY} people in 24 h; a withdrawal that a second person of operations "
            "confirms makes way for a new one"
        )
    row = ReplacedPaper(network_id=person.network_id, person_id=person.id, replaced_by=staff_id, at=now)
    session.add(row)
    tell(session, person_id=person.id, kind=NoticeKind.PAPER_REPLACED, now=now, content={"at": now})


def _count_alone(session: Session, row: EmergencyWithdrawal) -> None:
    """Limits are counted by one at a time, so that two requests at once are not both the last that may."""
    lock_person(session, row.person_id)
    alone(session, "withdrawals", row.network_id)


def _carry_out(session: Session, row: EmergencyWithdrawal, actor: Actor, now: int) -> EmergencyWithdrawal:
    row.passes = withdraw_passes(session, row.person_id, now, reason="emergency")
    row.state = WithdrawalState.DONE
    row.done_at = now
    content: dict[str, object] = {"withdrawal": row.id, "reason": row.reason, "at": now}
    tell(session, person_id=row.person_id, kind=NoticeKind.WITHDRAWAL, now=now, content=content)
    _log(session, row, actor, "withdrawal.done", now)
    return row


def _log(session: Session, row: EmergencyWithdrawal, actor: Actor, what: str, now: int) -> None:
    events.record(
        session,
        network_id=row.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("withdrawal", row.id),
        person=row.person_id,
        passes=row.passes,
    )
