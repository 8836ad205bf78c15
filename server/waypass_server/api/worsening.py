"""Limits on how many people may be worsened: everybody sees them, and who works on a change takes its steps here."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server import worsening
from waypass_server.api.access import PerhapsStaff, ServicesHere, StaffMember, staff_with
from waypass_server.api.forms import IdInPath, Input, Output
from waypass_server.api.once import OnceHere
from waypass_server.few import few, in_fives
from waypass_server.models.lists_of_people import Basis
from waypass_server.models.network import Authority
from waypass_server.models.worsening import Alarm, Level, LimitChange, Window
from waypass_server.people import serving_network
from waypass_server.problems import RESPONSES
from waypass_server.roles import Role
from waypass_server.worsening import MOST, Subject

router = APIRouter(prefix="/api/v1", tags=["limits"], responses=RESPONSES)

NEWEST = 200

Keeper = Annotated[StaffMember, Depends(staff_with(Role.ADMIN, Role.APPROVER, Role.REVIEWER))]


class LimitOut(Output):
    """One limit as it stands. `of` is the basis's or the authority's number, 0 for the network; `people` is what counts
    now: without a token rounded down to fives, and null for 1 to 4.
    """

    level: Level
    of: int
    window: Window
    people: int | None
    limit: int


class LimitChangeOut(Output):
    """A change of a limit: `state` is proposed, agreed, public, in-force or withdrawn. People are named by id."""

    id: int
    level: Level
    of: int
    window: Window
    before: int
    value: int
    state: str
    proposed_by: int
    proposed_at: int
    second_by: int | None
    third_by: int | None
    in_force_at: int | None

    @staticmethod
    def of_row(row: LimitChange, now: int) -> "LimitChangeOut":
        """From a row."""
        same = ("id", "level", "window", "before", "value", "proposed_by", "proposed_at", "second_by", "third_by")
        values = {name: getattr(row, name) for name in same}
        return LimitChangeOut(
            **values, of=row.subject_id, in_force_at=row.in_force_at, state=worsening.state_of(row, now)
        )


class AlarmOut(Output):
    """An approval that passed a limit; `people` without a token is null for 1 to 4."""

    at: int
    level: Level
    of: int
    window: Window
    people: int | None
    limit: int


class NewLimit(Input):
    """Another value for a limit; `of` is left out for the network."""

    level: Level
    of: Annotated[int, Field(ge=0, lt=1 << 53)] = 0
    window: Window
    value: Annotated[int, Field(ge=1, le=MOST)]


@router.get("/limits", summary="How many people may be worsened, and how many were")
def read_limits(here: ServicesHere, member: PerhapsStaff) -> list[LimitOut]:
    """Over 24 h and 30 days, for the network, each authority and each basis. Needs no token; with one of staff the sums
    are exact.
    """
    with here.database.reading() as session:
        found = worsening.standings(session, subjects(session, serving_network(session, here).id), here.now())
        return [
            LimitOut(
                level=one.subject.level,
                of=one.subject.id,
                window=one.window,
                people=in_fives(one.people) if member is None else one.people,
                limit=one.limit,
            )
            for one in found
        ]


@router.get("/limits/changes", summary="Changes of limits, the newest first")
def read_changes(here: ServicesHere) -> list[LimitChangeOut]:
    """Needs no token: a higher limit is public for 72 hours before it is in force."""
    now = here.now()
    with here.database.reading() as session:
        network = serving_network(session, here)
        query = select(LimitChange).where(LimitChange.network_id == network.id).order_by(LimitChange.id.desc())
        return [LimitChangeOut.of_row(row, now) for row in session.scalars(query.limit(NEWEST))]


@router.get("/alarms", summary="Approvals that passed a limit, the newest first")
def read_alarms(here: ServicesHere, member: PerhapsStaff) -> list[AlarmOut]:
    """Needs no token, and names nobody."""
    with here.database.reading() as session:
        network = serving_network(session, here)
        query = select(Alarm).where(Alarm.network_id == network.id).order_by(Alarm.id.desc()).limit(NEWEST)
        return [
            AlarmOut(
                at=row.at,
                level=row.level,
                of=row.subject_id,
                window=row.window,
                people=few(row.people) if member is None else row.people,
                limit=row.limit,
            )
            for row in session.scalars(query)
        ]


@router.post("/limits/changes", status_code=201, summary="Propose another value for a limit")
def propose_change(body: NewLimit, member: Keeper, here: ServicesHere, once: OnceHere) -> LimitChangeOut:
    """Lower: a second person, and it is in force. Higher: three people, then 72 hours in public."""
    now = here.now()
    subject = Subject(network_id=member.network_id, level=body.level, id=body.of)
    with here.change() as session:

        def make() -> LimitChange:
            return worsening.propose(
                session, subject, body.window, body.value, staff_id=member.staff_id, actor=member.actor(), now=now
            )

        return LimitChangeOut.of_row(once.do(session, member, now, LimitChange, make), now)


@router.post("/limits/changes/{change_id}/agree", summary="Agree to a change of a limit")
def agree_to_change(change_id: IdInPath, member: Keeper, here: ServicesHere) -> LimitChangeOut:
    """By another person than those before, at another desk."""
    now, elsewhere = here.now(), here.settings.approval_elsewhere
    with here.change() as session:
        change = worsening.find_change(session, member.network_id, change_id)
        agreed = worsening.agree(
            session, change, staff_id=member.staff_id, actor=member.actor(), elsewhere=elsewhere, now=now
        )
        return LimitChangeOut.of_row(agreed, now)


@router.post("/limits/changes/{change_id}/withdraw", summary="Take back a change of a limit that is not in force yet")
def withdraw_change(change_id: IdInPath, member: Keeper, here: ServicesHere) -> LimitChangeOut:
    """One person is enough."""
    now = here.now()
    with here.change() as session:
        change = worsening.find_change(session, member.network_id, change_id)
        return LimitChangeOut.of_row(worsening.withdraw(session, change, actor=member.actor(), now=now), now)


def subjects(session: Session, network_id: int) -> list[Subject]:
    """The network, its authorities, its bases."""
    authorities = session.scalars(select(Authority.id).where(Authority.network_id == network_id).order_by(Authority.id))
    bases = session.scalars(select(Basis.id).where(Basis.network_id == network_id).order_by(Basis.id))
    return [
        Subject(network_id=network_id, level=Level.NETWORK),
        *(Subject(network_id=network_id, level=Level.AUTHORITY, id=each) for each in authorities),
        *(Subject(network_id=network_id, level=Level.BASIS, id=each) for each in bases),
    ]
