"""The first page: what waits for whoever is signed in, and what they did lately that can still be undone.

What waits is what they may act on: each rule is asked of the function that would refuse (`life.refusal`,
`bases.check_approver`, `rule_sets.check_approver`, `objections.check_reviewer`, `withdrawals.check_confirmer`). What
they have proposed themselves is shown apart, so that they know why it is not done yet.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from waypass_server import bases, life, objections, rule_proposals, rule_sets, withdrawals, worsening
from waypass_server.api.access import ServicesHere, StaffMember
from waypass_server.api.bases import proposer_of
from waypass_server.console.access import AnySignedIn
from waypass_server.console.pages.batches import may, waiting_batches
from waypass_server.console.pages.rule_sets import proposed_versions
from waypass_server.console.rendering import show
from waypass_server.entries import check_approver
from waypass_server.life import Action, LifeError, State
from waypass_server.models.bulk import Batch, BatchState
from waypass_server.models.lists_of_people import Basis, BasisVersion, Entry, Objection, VersionState
from waypass_server.models.records import EmergencyWithdrawal, WithdrawalState
from waypass_server.models.rules import RuleProposal, RuleSetVersion
from waypass_server.models.worsening import LimitChange
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
        rules = _rule_sets(session, member)
        waiting = _withdrawals(session, member)
        to_decide = _objections(session, member)
        elsewhere, actor = here.settings.approval_elsewhere, member.actor()

        def may_put_in_force(check: Callable[..., None], one: BasisVersion | RuleSetVersion) -> bool:
            return _may(check, session, one, actor, elsewhere=elsewhere)

        def may_approve(one: Entry, action: Action) -> bool:
            if life.refusal(action, one.life(), actor, now) is not None:
                return False
            return _may(check_approver, session, one, actor, elsewhere=elsewhere)

        def may_decide(one: Batch) -> bool:
            action = Action.CONFIRM if one.state is BatchState.HELD else Action.APPROVE
            return may(session, one, action, member, here)

        decides = bool(member.roles & {Role.APPROVER, Role.PROPOSER})
        return show(
            request,
            "queue.html",
            entries=[one for one in entries if may_approve(one, Action.APPROVE)],
            held=[one for one in entries if may_approve(one, Action.CONFIRM)],
            batches=[(one, may_decide(one)) for one in waiting_batches(session, member.network_id)] if decides else [],
            limits=_limits(session, member, elsewhere=elsewhere),
            proposals=_proposals(session, member),
            versions=[one for one in versions if may_put_in_force(bases.check_approver, one)],
            rule_sets=[one for one in rules if may_put_in_force(rule_sets.check_approver, one)],
            withdrawals=[one for one in waiting if _may(withdrawals.check_confirmer, session, one, member.staff_id)],
            objections=to_decide,
            mine=[one for one in entries if member.staff_id in (one.proposed_by, one.approved_by)],
            my_versions=[one for one in versions if one.proposed_by == member.staff_id],
            my_rule_sets=[one for one in rules if one.proposed_by == member.staff_id],
            my_withdrawals=[one for one in waiting if one.asked_by == member.staff_id],
            undoable=[(one, life.undo_until(one.life())) for one in _undoable(session, member, now)],
        )


def _entries(session: Session, member: StaffMember) -> list[Entry]:
    """Those that stand alone: what came in a batch is decided as a batch."""
    if not member.roles & {Role.APPROVER, Role.PROPOSER}:
        return []
    query = select(Entry).where(Entry.network_id == member.network_id, Entry.state.in_([State.PROPOSED, State.HELD]))
    query = query.where(Entry.batch_id.is_(None))
    return list(session.scalars(query.order_by(Entry.id).limit(MOST)))


def _versions(session: Session, member: StaffMember) -> list[BasisVersion]:
    if not member.roles & {Role.ADMIN, Role.APPROVER, Role.PROPOSER}:
        return []
    query = select(BasisVersion).join(Basis, Basis.id == BasisVersion.basis_id)
    query = query.where(Basis.network_id == member.network_id, BasisVersion.state == VersionState.PROPOSED)
    found = list(session.scalars(query.order_by(BasisVersion.id).limit(MOST)))
    approves = member.roles & {Role.ADMIN, Role.APPROVER}
    return found if approves else [one for one in found if one.proposed_by == member.staff_id]


def _rule_sets(session: Session, member: StaffMember) -> list[RuleSetVersion]:
    if not member.roles & {Role.ADMIN, Role.APPROVER, Role.PROPOSER}:
        return []
    found = proposed_versions(session, member.network_id, most=MOST)
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
        (one, _may(objections.check_reviewer, session, one.entry, actor=actor, authority_id=authority_id))
        for one in objections.open_objections(session, member.network_id)
    ]


def _proposals(session: Session, member: StaffMember) -> Sequence[RuleProposal]:
    """Entries that rules propose and that this person may take up."""
    if Role.PROPOSER not in member.roles:
        return []
    return rule_proposals.open_proposals(session, proposer_of(member), after=0, limit=MOST)


def _limits(session: Session, member: StaffMember, *, elsewhere: bool) -> list[LimitChange]:
    """Changes of limits that this person may agree to."""
    if not member.roles & {Role.ADMIN, Role.APPROVER, Role.REVIEWER}:
        return []
    query = select(LimitChange).where(LimitChange.network_id == member.network_id)
    query = query.where(LimitChange.in_force_at.is_(None), LimitChange.withdrawn_at.is_(None))
    found = session.scalars(query.order_by(LimitChange.id).limit(MOST))
    return [one for one in found if _may(worsening.check_agreeing, session, one, member.staff_id, elsewhere=elsewhere)]


def _undoable(session: Session, member: StaffMember, now: int) -> list[Entry]:
    """The newest first."""
    query = select(Entry).where(
        Entry.network_id == member.network_id,
        Entry.batch_id.is_(None),
        Entry.state.not_in([State.PROPOSED, State.HELD, State.ENDED]),
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
