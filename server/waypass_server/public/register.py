"""The public register: authorities, bases in force, services and keys. No member of staff stands in it."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.models.lists_of_people import Basis, BasisVersion, VersionState
from waypass_server.models.network import Authority, Scope
from waypass_server.models.public_log import KnownKey
from waypass_server.publiclog import checkpoints
from waypass_server.publiclog.checkpoints import SignedCheckpoint


@dataclass(frozen=True, kw_only=True, slots=True)
class BasisShown:
    """A basis in force, with the authority that answers for it. Durations are seconds."""

    id: int
    version: int
    title: str
    citation: str
    authority: str
    contact: str
    effects: tuple[str, ...]
    scopes: tuple[int, ...]
    longest: int
    notice: int
    objection_deadline: int
    exclusions: tuple[str, ...]
    since: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyShown:
    """An issuer key; `public` is base64url. `state` is one of coming, active, expired, retired, distrusted."""

    kid: str
    public: str
    uses: tuple[str, ...]
    nbf: int
    exp: int
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """One look."""

    authorities: tuple[Authority, ...]
    bases: tuple[BasisShown, ...]
    scopes: tuple[Scope, ...]
    keys: tuple[KeyShown, ...]
    checkpoint: SignedCheckpoint | None


def look(session: Session, network_id: int, now: int) -> Register:
    """The register now."""
    authorities = session.scalars(
        select(Authority).where(Authority.network_id == network_id).order_by(Authority.name)
    ).all()
    scopes = session.scalars(select(Scope).where(Scope.network_id == network_id).order_by(Scope.number)).all()
    keys = session.scalars(select(KnownKey).where(KnownKey.network_id == network_id).order_by(KnownKey.nbf.desc()))
    return Register(
        authorities=tuple(authorities),
        bases=_bases(session, network_id),
        scopes=tuple(scopes),
        keys=tuple(_key(key, now) for key in keys),
        checkpoint=checkpoints.newest(session, network_id),
    )


def _bases(session: Session, network_id: int) -> tuple[BasisShown, ...]:
    query = (
        select(BasisVersion, Authority)
        .join(Basis, Basis.id == BasisVersion.basis_id)
        .join(Authority, Authority.id == Basis.authority_id)
        .where(Basis.network_id == network_id, BasisVersion.state == VersionState.IN_FORCE)
        .order_by(Authority.name, BasisVersion.title)
    )
    return tuple(
        BasisShown(
            id=version.basis_id,
            version=version.number,
            title=version.title,
            citation=version.citation,
            authority=authority.name,
            contact=authority.contact,
            effects=tuple(version.effects),
            scopes=tuple(version.scopes),
            longest=version.longest,
            notice=version.notice,
            objection_deadline=version.objection_deadline,
            exclusions=tuple(version.exclusions),
            since=version.approved_at,
        )
        for version, authority in session.execute(query)
    )


def _key(key: KnownKey, now: int) -> KeyShown:
    return KeyShown(
        kid=key.kid,
        public=urlsafe_b64encode(key.public).rstrip(b"=").decode("ascii"),
        uses=tuple(key.uses.split()),
        nbf=key.nbf,
        exp=key.exp,
        state=_state(key, now),
    )


def _state(key: KnownKey, now: int) -> str:
    if not key.trusted:
        return "distrusted"
    if key.retired_at is not None:
        return "retired"
    if now < key.nbf:
        return "coming"
    return "active" if now < key.exp else "expired"
