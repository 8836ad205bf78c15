"""Bases: why anyone may be listed at all. One person proposes a text, another puts it in force, at another desk (see
`desks`).

A text is accepted only if all of this holds; the first rule that fails decides:

1. the authority exists; staff of an authority propose for theirs only (`NotFound`, `Forbidden`)
2. every scope is one of the network's (`UnknownScope`)
3. red in an essential scope needs a basis of health (`BadInput`)
4. grants stand alone, for scopes by grant; red and yellow do not mix with them (`BadInput`)
5. what can hold somebody up is announced: its notice is at least the operator's `minimum_notice` (`BadInput`)

A change is a new version that goes the same way. Entries keep the version that they were proposed on.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import desks, events
from waypass_server.database import LOCKED
from waypass_server.life import Actor
from waypass_server.models.lists_of_people import Basis, BasisVersion, Effect, Exclusion, VersionState
from waypass_server.models.network import Authority, Scope
from waypass_server.people import known_scopes
from waypass_server.refusals import BadInput, Conflict, Forbidden, NotFound


@dataclass(frozen=True, kw_only=True, slots=True)
class BasisText:
    """What a basis says. Periods are seconds."""

    title: str
    citation: str
    health: bool
    effects: tuple[Effect, ...]
    scopes: tuple[int, ...]
    longest: int
    notice: int
    objection_deadline: int
    exclusions: tuple[Exclusion, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposer:
    """Who proposes: `authority_id` is None for staff of the network itself."""

    actor: Actor
    staff_id: int
    network_id: int
    authority_id: int | None


def register(
    session: Session, *, proposer: Proposer, authority: str, text: BasisText, minimum_notice: int, now: int
) -> BasisVersion:
    """A new basis with its first version, not in force yet. Raises what the module's rules name."""
    query = select(Authority).where(Authority.network_id == proposer.network_id, Authority.name == authority)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound(f"authority: expected one of the network's authorities, got {authority!r}")
    basis = Basis(network_id=proposer.network_id, authority=found, created_at=now)
    session.add(basis)
    session.flush()
    return propose_version(session, basis=basis, proposer=proposer, text=text, minimum_notice=minimum_notice, now=now)


def propose_version(
    session: Session, *, basis: Basis, proposer: Proposer, text: BasisText, minimum_notice: int, now: int
) -> BasisVersion:
    """A new version of a basis, not in force yet. Raises what the module's rules name."""
    check_authority(basis, proposer)
    _lock(session, basis)
    _check_text(text, known_scopes(session, basis.network_id, list(text.scopes)), minimum_notice)
    version = BasisVersion(
        basis=basis,
        number=len(basis.versions) + 1,
        title=text.title,
        citation=text.citation,
        health=text.health,
        effects=[effect.value for effect in text.effects],
        scopes=sorted(text.scopes),
        longest=text.longest,
        notice=text.notice,
        objection_deadline=text.objection_deadline,
        exclusions=[exclusion.value for exclusion in text.exclusions],
        state=VersionState.PROPOSED,
        proposed_by=proposer.staff_id,
        proposed_at=now,
    )
    session.add(version)
    session.flush()
    _log(session, version, proposer.actor, "basis.proposed", now)
    return version


def approve_version(
    session: Session, *, version: BasisVersion, actor: Actor, elsewhere: bool = False, now: int
) -> BasisVersion:
    """Put a version in force in place of the one before. With `elsewhere` not by somebody of the basis's authority.
    Raises `SamePerson`, `Forbidden` or `Conflict`.
    """
    check_approver(session, version, actor, elsewhere=elsewhere)
    _lock(session, version.basis)
    if version.state is VersionState.IN_FORCE and version.approved_by == actor.staff_id:
        return version
    newest = max(other.number for other in version.basis.versions)
    if version.state is not VersionState.PROPOSED or version.number != newest:
        raise Conflict(f"approve: expected the newest proposed version, this one is {version.state.value}")
    for other in version.basis.versions:
        if other.state is VersionState.IN_FORCE:
            other.state = VersionState.REPLACED
    version.state = VersionState.IN_FORCE
    version.approved_by = actor.staff_id
    version.approved_at = now
    _log(session, version, actor, "basis.approved", now)
    return version


def check_approver(session: Session, version: BasisVersion, actor: Actor, *, elsewhere: bool = False) -> None:
    """It takes two, at two desks. Raises `SamePerson` or `Forbidden`."""
    before = [desks.Part(staff_id=version.proposed_by, did="proposed the basis")]
    not_of = desks.NotOf(authorities={version.basis.authority_id}) if elsewhere else None
    desks.check_other(session, "approve", actor.staff_id, before, not_of=not_of)


def find_basis(session: Session, network_id: int, basis_id: int) -> Basis:
    """Raises `NotFound`."""
    basis = session.get(Basis, basis_id)
    if basis is None or basis.network_id != network_id:
        raise NotFound(f"basis: expected one of the network's bases, got {basis_id}")
    return basis


def find_version(session: Session, network_id: int, basis_id: int, number: int) -> BasisVersion:
    """Raises `NotFound`."""
    basis = find_basis(session, network_id, basis_id)
    for version in basis.versions:
        if version.number == number:
            return version
    raise NotFound(f"basis {basis_id}: expected a version up to {len(basis.versions)}, got {number}")


def version_in_force(basis: Basis) -> BasisVersion:
    """Raises `Conflict` while nobody has approved one."""
    for version in basis.versions:
        if version.state is VersionState.IN_FORCE:
            return version
    raise Conflict(f"basis {basis.id}: expected a basis in force, this one is not approved by a second person yet")


def is_of_authority(basis: Basis, proposer: Proposer) -> bool:
    """Whether somebody is staff of the basis's authority, or of the network."""
    return proposer.authority_id in (None, basis.authority_id)


def check_authority(basis: Basis, proposer: Proposer) -> None:
    """Staff of an authority act for theirs only. Raises `Forbidden`."""
    if not is_of_authority(basis, proposer):
        raise Forbidden("basis: expected staff of the basis's authority, or of the network, got staff of another one")


def _lock(session: Session, basis: Basis) -> None:
    """Until the transaction ends; its versions are read anew: another person may just have acted on them."""
    session.flush()
    session.get(Basis, basis.id, with_for_update=LOCKED)
    newest = select(BasisVersion).where(BasisVersion.basis_id == basis.id).execution_options(populate_existing=True)
    session.scalars(newest).all()
    session.expire(basis, ["versions"])


def _check_text(text: BasisText, scopes: dict[int, Scope], minimum_notice: int) -> None:
    """Rules 3 to 5."""
    if Effect.RED in text.effects and not text.health:
        essential = [number for number, scope in scopes.items() if scope.essential]
        if essential:
            raise BadInput(f"scopes: expected a basis of health for red in essential scopes, got {essential} without")
    if Effect.GRANT in text.effects:
        if len(text.effects) > 1:
            raise BadInput("effects: expected grant alone, got it together with others")
        open_to_all = [number for number, scope in scopes.items() if not scope.by_grant]
        if open_to_all:
            raise BadInput(f"scopes: expected scopes by grant only, got {open_to_all}")
    elif text.notice < minimum_notice:
        raise BadInput(f"notice: expected at least {minimum_notice} s before effect, got {text.notice}")


def _log(session: Session, version: BasisVersion, actor: Actor, what: str, now: int) -> None:
    events.record(
        session,
        network_id=version.basis.network_id,
        at=now,
        actor=actor,
        what=what,
        subject=("basis", version.basis_id),
        version=version.number,
    )
