"""Bases: proposed by one person, put in force by another."""

from typing import Annotated

from fastapi import APIRouter, Depends

from waypass_server import bases
from waypass_server.api.access import ServicesHere, StaffMember, staff_with
from waypass_server.api.forms import BasisForm, BasisOut, IdInPath, NewBasis
from waypass_server.api.once import OnceHere
from waypass_server.bases import BasisText, Proposer
from waypass_server.models.lists_of_people import BasisVersion
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role

router = APIRouter(prefix="/api/v1/bases", tags=["bases"], responses=RESPONSES)

BasisProposer = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.PROPOSER))]
BasisApprover = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.APPROVER))]


@router.post("", status_code=201, summary="Propose a new basis")
def propose_basis(body: NewBasis, member: BasisProposer, here: ServicesHere, once: OnceHere) -> BasisOut:
    """It is in force once another person has approved it."""
    now = here.now()
    with here.change() as session:

        def make() -> BasisVersion:
            return bases.register(
                session,
                proposer=proposer_of(member),
                authority=body.authority,
                text=text_of(body),
                minimum_notice=here.settings.minimum_notice,
                now=now,
            )

        return BasisOut.of(once.do(session, member, now, BasisVersion, make))


@router.post("/{basis_id}/versions", status_code=201, summary="Propose a change to a basis")
def propose_version(
    basis_id: IdInPath, body: BasisForm, member: BasisProposer, here: ServicesHere, once: OnceHere
) -> BasisOut:
    """The version in force stays so until another person has approved the new one."""
    now = here.now()
    with here.change() as session:
        basis = bases.find_basis(session, member.network_id, basis_id)

        def make() -> BasisVersion:
            return bases.propose_version(
                session,
                basis=basis,
                proposer=proposer_of(member),
                text=text_of(body),
                minimum_notice=here.settings.minimum_notice,
                now=now,
            )

        return BasisOut.of(once.do(session, member, now, BasisVersion, make))


@router.post("/{basis_id}/versions/{number}/approve", summary="Put a proposed version in force")
def approve_version(basis_id: IdInPath, number: IdInPath, member: BasisApprover, here: ServicesHere) -> BasisOut:
    """By another person than the one who proposed it, at another desk. Entries keep the version that they were proposed
    on.
    """
    elsewhere = here.settings.approval_elsewhere
    with here.change() as session:
        version = bases.find_version(session, member.network_id, basis_id, number)
        approved = bases.approve_version(
            session, version=version, actor=member.actor(), elsewhere=elsewhere, now=here.now()
        )
        return BasisOut.of(approved)


def proposer_of(member: StaffMember) -> Proposer:
    """A member of staff as the one who proposes."""
    return Proposer(
        actor=member.actor(),
        staff_id=member.staff_id,
        network_id=member.network_id,
        authority_id=member.authority_id,
    )


def text_of(form: BasisForm) -> BasisText:
    """What a form says, as the domain takes it."""
    return BasisText(
        title=form.title,
        citation=form.citation,
        health=form.health,
        effects=form.effects,
        scopes=form.scopes,
        longest=form.longest,
        notice=form.notice,
        objection_deadline=form.objection_deadline,
        exclusions=form.exclusions,
    )
