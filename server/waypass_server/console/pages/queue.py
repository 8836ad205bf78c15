"""The first page: what waits for whoever is signed in, and what they did lately that can still be undone.

What waits is what they may act on: each rule is asked of the function that would refuse (`life.refusal`,
`bases.check_approver`, `objections.check_reviewer`, `withdrawals.check_confirmer`). What they have proposed themselves
is shown apart, so that they know why it is not done yet.
"""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from waypass_server import bases, life, objections, withdrawals
from waypass_server.api.access import ServicesHere, StaffMember
from waypass_server.console.access import AnySignedIn
from waypass_server.console.rendering import show
from waypass_server.life import Action, LifeError, State
from waypass_server.models.lists_of_people import Basis, BasisVersion, Entry, Objection, VersionState
from waypass_server.models.records import EmergencyWithdrawal, WithdrawalState
from waypass_server.refusals import Problem
from waypass_server.roles import Role

router = APIRouter()

MOST = 200


@router.get("/")
def show_queue(request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """What waits for me."""
    member, now = me.member, here.now()
    with here.database.reading() as session:
        entries = _entries(session, member)
        versions = _versions(session, member)
        waiting = _withdrawals(session, member)
        to_decide = _objections(session, member)
        return show(
            request,
            "queue.html",
            entries=[one for one in entries if life.refusal(Action.APPROVE, one.life(), member.actor(), now) is None],
            versions=[one for one in versions if _may(bases.check_approver, one, member.actor())],
            withdrawals=[one for one in waiting if _may(withdrawals.check_confirmer, one, member.staff_id)],
            objections=to_decide,
            mine=[one for one in entries if one.proposed_by == member.staff_id],
            my_versions=[one for one in versions if one.proposed_by == member.staff_id],
            my_withdrawals=[one for one in waiting if one.asked_by == member.staff_id],
            undoable=[(one, life.undo_until(one.life())) for one in _undoable(session, member, now)],
        )


def _entries(session: Session, member: StaffMember) -> list[Entry]:
    if not member.roles & {Role.APPROVER, Role.PROPOSER}:
        return []
    query = select(Entry).where(Entry.network_id == member.network_id, Entry.state == State.PROPOSED)
    return list(session.scalars(query.order_by(Entry.id).limit(MOST)))


def _versions(session: Session, member: StaffMember) -> list[BasisVersion]:
    if not member.roles & {Role.ADMIN, Role.APPROVER, Role.PROPOSER}:
        return []
    query = select(BasisVersion).join(Basis, Basis.id == BasisVersion.basis_id)
    query = query.where(Basis.network_id == member.network_id, BasisVersion.state == VersionState.PROPOSED)
    found = list(session.scalars(query.order_by(BasisVersion.id).limit(MOST)))
    approves = member.roles & {Role.ADMIN, Role.APPROVER}
    return found if approves else [one for one in found if one.proposed_by == member.staff_id]


def _withdrawals(session: Session, member: StaffMember) -> list[EmergencyWithdrawal]:
    if Role.OPS not in member.roles:
        return []
    query = select(EmergencyWithdrawal).where(
        EmergencyWithdrawal.network_id == member.network_id, EmergencyWithdrawal.state == WithdrawalState.WAITING
    )
    return list(session.scalars(query.order_by(EmergencyWithdrawal.id).limit(MOST)))


def _objections(session: Session, member: StaffMember) -> list[tuple[Objection, bool]]:
    """The most urgent first, each with whether this reviewer may decide it."""
    if Role.REVIEWER not in member.roles:
        return []
    actor, authority_id = member.actor(), member.authority_id
    return [
        (one, _may(objections.check_reviewer, one.entry, actor=actor, authority_id=authority_id))
        for one in objections.open_objections(session, member.network_id)
    ]


def _undoable(session: Session, member: StaffMember, now: int) -> list[Entry]:
    """The newest first."""
    query = select(Entry).where(
        Entry.network_id == member.network_id,
        Entry.state.not_in([State.PROPOSED, State.ENDED]),
        or_(Entry.approved_at >= now - life.UNDO_PERIOD, Entry.effective_at >= now - life.UNDO_PERIOD),
        or_(Entry.proposed_by == member.staff_id, Entry.approved_by == member.staff_id),
    )
    found = session.scalars(query.order_by(Entry.id.desc()).limit(MOST))
    return [one for one in found if life.refusal(Action.UNDO, one.life(), member.actor(), now) is None]


def _may(check: Callable[..., None], *arguments: Any, **more: Any) -> bool:
    """Whether the check has no objection."""
    try:
        check(*arguments, **more)
    except (Problem, LifeError):
        return False
    return True
