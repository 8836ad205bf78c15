"""What everybody may know: the network, its scopes and authorities, and the bases that are in force."""

from fastapi import APIRouter
from sqlalchemy import select

from waypass_server.api.access import ServicesHere
from waypass_server.api.forms import BasisOut, Output
from waypass_server.models.lists_of_people import Basis, BasisVersion, VersionState
from waypass_server.models.network import Authority, Scope
from waypass_server.people import serving_network
from waypass_server.problems import RESPONSES

router = APIRouter(prefix="/api/v1", tags=["network"], responses=RESPONSES)


class ScopeOut(Output):
    """A service class; `number` stands in passes."""

    number: int
    name: str
    essential: bool
    by_grant: bool
    needs_evidence: bool


class AuthorityOut(Output):
    """Who may propose entries, and where somebody answers for them."""

    name: str
    contact: str


class NetworkOut(Output):
    """One deployment. `now` is the server's time, from which a wallet learns its clock's offset."""

    name: str
    now: float
    scopes: list[ScopeOut]
    authorities: list[AuthorityOut]


@router.get("/network", summary="The network, its scopes and authorities, and the server's time")
def read_network(here: ServicesHere) -> NetworkOut:
    """Needs no token."""
    with here.database.reading() as session:
        network = serving_network(session, here)
        scopes = session.scalars(select(Scope).where(Scope.network_id == network.id).order_by(Scope.number))
        authorities = session.scalars(
            select(Authority).where(Authority.network_id == network.id).order_by(Authority.name)
        )
        return NetworkOut(
            name=network.name,
            now=here.clock.now(),
            scopes=[
                ScopeOut(
                    number=scope.number,
                    name=scope.name,
                    essential=scope.essential,
                    by_grant=scope.by_grant,
                    needs_evidence=scope.needs_evidence,
                )
                for scope in scopes
            ],
            authorities=[AuthorityOut(name=one.name, contact=one.contact) for one in authorities],
        )


@router.get("/bases", summary="The bases in force: the closed set of reasons for which anyone may be listed")
def read_bases(here: ServicesHere) -> list[BasisOut]:
    """Needs no token."""
    with here.database.reading() as session:
        network = serving_network(session, here)
        query = (
            select(BasisVersion)
            .join(Basis, Basis.id == BasisVersion.basis_id)
            .where(Basis.network_id == network.id, BasisVersion.state == VersionState.IN_FORCE)
            .order_by(Basis.id)
        )
        return [BasisOut.of(version) for version in session.scalars(query)]
