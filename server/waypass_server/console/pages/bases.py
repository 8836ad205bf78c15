"""Bases: those in force, those that wait, and the second person's approval."""

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import bases
from waypass_server.api.access import ServicesHere
from waypass_server.api.bases import proposer_of
from waypass_server.api.forms import IdInPath
from waypass_server.console.access import AnySignedIn, BasisApprover, Posted
from waypass_server.console.people import names_of_scopes, names_of_staff
from waypass_server.console.rendering import go, show
from waypass_server.console.sessions import SignedIn
from waypass_server.models.lists_of_people import Basis, BasisVersion, VersionState
from waypass_server.refusals import Problem, SamePerson
from waypass_server.roles import Role
from waypass_server.services import Services

router = APIRouter(prefix="/bases")

_SAID = (
    "title",
    "citation",
    "health",
    "effects",
    "scopes",
    "longest",
    "notice",
    "objection_deadline",
    "exclusions",
)
"""What a version says, as it is compared with the one before."""


@router.get("")
def list_bases(request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """Why anyone may be listed at all."""
    query = select(BasisVersion).join(Basis, Basis.id == BasisVersion.basis_id)
    query = query.where(Basis.network_id == me.member.network_id, BasisVersion.state != VersionState.REPLACED)
    with here.database.reading() as session:
        found = list(session.scalars(query.order_by(Basis.id, BasisVersion.number)))
        return show(
            request,
            "bases.html",
            waiting=[one for one in found if one.state is VersionState.PROPOSED],
            in_force=[one for one in found if one.state is VersionState.IN_FORCE],
            scopes=names_of_scopes(session, me.member.network_id),
        )


@router.get("/{basis_id}/{number}")
def show_basis(basis_id: IdInPath, number: IdInPath, request: Request, me: AnySignedIn, here: ServicesHere) -> Response:
    """One version, beside the one that it would replace."""
    with here.database.reading() as session:
        version = bases.find_version(session, me.member.network_id, basis_id, number)
        before = _before(version)
        return show(
            request,
            "basis.html",
            version=version,
            before=before,
            changed=[name for name in _SAID if before and getattr(before, name) != getattr(version, name)],
            superseded=_superseded_by(version),
            scopes=names_of_scopes(session, me.member.network_id),
            staff=names_of_staff(session, me.member.network_id),
            why_not=_why_not(session, version, me, here),
            may_change=_may_change(version, me),
        )


@router.post("/{basis_id}/{number}/approve")
def approve(basis_id: IdInPath, number: IdInPath, _form: Posted, me: BasisApprover, here: ServicesHere) -> Response:
    """By another person than the one who proposed it, at another desk."""
    with here.change() as session:
        version = bases.find_version(session, me.member.network_id, basis_id, number)
        elsewhere = here.settings.approval_elsewhere
        bases.approve_version(session, version=version, actor=me.member.actor(), elsewhere=elsewhere, now=here.now())
    return go(f"/ops/bases/{basis_id}/{number}", done="basis-approved")


def _before(version: BasisVersion) -> BasisVersion | None:
    """What a proposed version would replace."""
    if version.state is not VersionState.PROPOSED:
        return None
    return next((one for one in version.basis.versions if one.state is VersionState.IN_FORCE), None)


def _superseded_by(version: BasisVersion) -> int | None:
    """The number of a newer version, which is the only one that can still be put in force."""
    newest = max(one.number for one in version.basis.versions)
    return newest if newest > version.number else None


def _may_change(version: BasisVersion, me: SignedIn) -> bool:
    if not me.member.roles & {Role.ADMIN, Role.PROPOSER}:
        return False
    try:
        bases.check_authority(version.basis, proposer_of(me.member))
    except Problem:
        return False
    mine = version.state is VersionState.IN_FORCE or version.proposed_by == me.member.staff_id
    return mine and _superseded_by(version) is None


def _why_not(session: Session, version: BasisVersion, me: SignedIn, here: Services) -> str | None:
    """Why whoever is signed in cannot approve it: a word for the template."""
    elsewhere = here.settings.approval_elsewhere
    try:
        bases.check_approver(session, version, me.member.actor(), elsewhere=elsewhere)
    except SamePerson:
        return "own"
    except Problem:
        return "desk"
    return None if me.member.roles & {Role.ADMIN, Role.APPROVER} else "role"
