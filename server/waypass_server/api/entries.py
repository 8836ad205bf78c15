"""Entries: proposed, approved by another person, and ended in the ways of `life`."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import select

from waypass_server import entries
from waypass_server.api.access import Approver, Reviewer, ServicesHere, StaffMember, staff_with
from waypass_server.api.access import Proposer as ProposingStaff
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import (
    AfterId,
    CaseForm,
    EntryForStaff,
    IdInPath,
    Input,
    Instant,
    RecordId,
    Reference,
    ScopeNumber,
    Words,
)
from waypass_server.api.once import OnceHere
from waypass_server.entries import Proposal
from waypass_server.life import Action, State
from waypass_server.models.lists_of_people import CaseState, Effect, Entry, Exclusion
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role

router = APIRouter(prefix="/api/v1/entries", tags=["entries"], responses=RESPONSES)

PAGE = 200

Reading = Annotated[StaffMember, Depends(staff_with(Role.PROPOSER, Role.APPROVER, Role.REVIEWER, Role.OPS))]
Side = Annotated[StaffMember, Depends(staff_with(Role.PROPOSER, Role.APPROVER))]
CaseKeeper = Annotated[StaffMember, Depends(staff_with(Role.PROPOSER, Role.APPROVER, Role.REVIEWER))]


class NewEntry(Input):
    """One person on one basis. `starts_at` is now unless given; an end is needed."""

    person: Reference
    basis: RecordId
    effect: Effect
    scopes: Annotated[tuple[ScopeNumber, ...], Field(min_length=1)]
    reason: Annotated[Words, Field(description="In plain words, for the person concerned.")]
    case: CaseForm
    starts_at: Instant | None = None
    ends_at: Instant
    exclusions_checked: frozenset[Exclusion] = frozenset()


class CaseChange(Input):
    """What became of the case."""

    state: CaseState


@router.post("", status_code=201, summary="Propose an entry")
def propose_entry(body: NewEntry, member: ProposingStaff, here: ServicesHere, once: OnceHere) -> EntryForStaff:
    """Without effect until another person has approved it, the holder was told and the notice period is over."""
    now = here.now()
    proposal, proposer = proposal_of(body, now), proposer_of(member)
    with here.change() as session:
        made = once.do(
            session, member, now, Entry, lambda: entries.propose(session, proposal, proposer=proposer, now=now)
        )
        return EntryForStaff.of(made)


@router.get("", summary="Entries in one state, oldest first: the queue of those who act on them")
def read_entries(member: Reading, here: ServicesHere, state: State, after: AfterId = 0) -> list[EntryForStaff]:
    """A page of at most 200; `after` is the last id of the page before. There is no search by anything else. Who only
    proposes, for one authority, reads what is on its bases.
    """
    query = select(Entry).where(Entry.network_id == member.network_id, Entry.state == state, Entry.id > after)
    query = entries.readable(query, proposer_of(member)).order_by(Entry.id).limit(PAGE)
    with here.database.reading() as session:
        return [EntryForStaff.of(entry) for entry in session.scalars(query)]


@router.get("/{entry_id}", summary="One entry")
def read_entry(entry_id: IdInPath, member: Reading, here: ServicesHere) -> EntryForStaff:
    """With its state and who moved it there."""
    with here.database.reading() as session:
        entry = entries.find_entry(session, member.network_id, entry_id, lock=False)
        entries.check_reader(entry, proposer_of(member))
        return EntryForStaff.of(entry)


@router.post("/{entry_id}/approve", summary="Approve a proposed entry")
def approve_entry(entry_id: IdInPath, member: Approver, here: ServicesHere) -> EntryForStaff:
    """By another person than the one who proposed it, from another desk. Past a limit on how many people may be
    worsened it is held for a third one.
    """
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        entry = entries.find_entry(session, member.network_id, entry_id)
        approver = proposer_of(member)
        return EntryForStaff.of(entries.approve(session, entry, approver=approver, elsewhere=elsewhere, now=here.now()))


@router.post("/{entry_id}/confirm", summary="Let an entry go on that was held past a limit")
def confirm_entry(entry_id: IdInPath, member: Approver, here: ServicesHere) -> EntryForStaff:
    """By a third person, who neither proposed nor approved it."""
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        entry = entries.find_entry(session, member.network_id, entry_id)
        confirmer = proposer_of(member)
        return EntryForStaff.of(
            entries.confirm(session, entry, confirmer=confirmer, elsewhere=elsewhere, now=here.now())
        )


@router.post("/{entry_id}/withdraw", summary="Withdraw an entry")
def withdraw_entry(entry_id: IdInPath, member: Side, here: ServicesHere) -> EntryForStaff:
    """One person is enough, at any time."""
    return _end(entry_id, Action.WITHDRAW, member, here)


@router.post("/{entry_id}/undo", summary="Undo a mistaken entry within 24 h")
def undo_entry(entry_id: IdInPath, member: Reading, here: ServicesHere) -> EntryForStaff:
    """One person is enough, whoever notices."""
    return _end(entry_id, Action.UNDO, member, here)


@router.post("/{entry_id}/lift", summary="Lift an entry as a reviewer")
def lift_entry(entry_id: IdInPath, member: Reviewer, here: ServicesHere) -> EntryForStaff:
    """By a reviewer who neither proposed nor approved it."""
    return _end(entry_id, Action.LIFT, member, here)


@router.post("/{entry_id}/reconfirm", summary="Record that the source still stands by it")
def reconfirm_entry(entry_id: IdInPath, member: ProposingStaff, here: ServicesHere, once: OnceHere) -> EntryForStaff:
    """Every 90 days, or the entry lapses. By the basis's authority, or the network's own staff."""
    now, proposer = here.now(), proposer_of(member)
    with here.change() as session:
        entry = entries.find_entry(session, member.network_id, entry_id)
        done = once.do(
            session, member, now, Entry, lambda: entries.reconfirm(session, entry, proposer=proposer, now=now)
        )
        return EntryForStaff.of(done)


@router.post("/{entry_id}/case", summary="Record what became of the source case")
def set_case(entry_id: IdInPath, body: CaseChange, member: CaseKeeper, here: ServicesHere) -> EntryForStaff:
    """Dismissed, or won by the person: the entry ends at once. That it is open or upheld is for the basis's authority
    to say, or the network's own staff.
    """
    keeper = proposer_of(member)
    with here.change() as session:
        entry = entries.find_entry(session, member.network_id, entry_id)
        return EntryForStaff.of(entries.set_case(session, entry, body.state, keeper=keeper, now=here.now()))


def proposal_of(body: NewEntry, now: int) -> Proposal:
    """What somebody proposes, as the domain takes it."""
    return Proposal(
        person=body.person,
        basis_id=body.basis,
        effect=body.effect,
        scopes=body.scopes,
        reason=body.reason,
        case_reference=body.case.reference,
        case_state=body.case.state,
        starts_at=now if body.starts_at is None else body.starts_at,
        ends_at=body.ends_at,
        exclusions_checked=body.exclusions_checked,
    )


def _end(entry_id: int, action: Action, member: StaffMember, here: ServicesHere) -> EntryForStaff:
    with here.change() as session:
        entry = entries.find_entry(session, member.network_id, entry_id)
        return EntryForStaff.of(entries.end(session, entry, action, actor=member.actor(), now=here.now()))
