"""Another person at another desk: what a decision that takes several people asks of whoever takes the next part.

Two people at one desk are one opinion. So each part is taken by somebody who

1. is another person than those who took the parts before (`SamePerson`)
2. works at another desk than each of them (`Forbidden`). Desks are compared by name, whatever authority they are of;
   staff of whom no desk is known are at one
3. where the network says so (`approval_elsewhere`), does not work for an authority that the decision is about
   (`Forbidden`)

It is asked where entries, batches, bases, rule sets, limits and emergency withdrawals are approved, agreed to or
confirmed, and where an objection is decided; not where one person is enough: to turn down, withdraw, undo or end.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from waypass_server.life import Life
from waypass_server.models.network import Staff
from waypass_server.refusals import Forbidden, SamePerson


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a decision that somebody took; `did` goes on from "the one who"."""

    staff_id: int
    did: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NotOf:
    """The authorities that whoever takes the part does not work for (rule 3), and how a refusal calls them."""

    authorities: Collection[int]
    called: str = "the basis's authority"


def check_other(
    session: Session, what: str, staff_id: int | None, before: Sequence[Part], *, not_of: NotOf | None = None
) -> None:
    """`what` is the part that this member of staff takes. Raises `SamePerson` and `Forbidden`."""
    for part in before:  # rule 1
        if part.staff_id == staff_id:
            raise SamePerson(f"{what}: expected another person than the one who {part.did}")
    here = session.get_one(Staff, staff_id)
    for part in before:  # rule 2
        if session.get_one(Staff, part.staff_id).desk == here.desk:
            raise Forbidden(f"{what}: expected somebody from another desk than the one who {part.did}")
    if not_of is not None and here.authority_id in not_of.authorities:  # rule 3
        raise Forbidden(f"{what}: expected somebody who does not work for {not_of.called}")


def parts_of(life: Life) -> list[Part]:
    """Those that were taken in an entry or a batch."""
    return list(_taken(life))


def _taken(life: Life) -> Iterator[Part]:
    yield Part(staff_id=life.proposed_by, did="proposed the entry")
    if life.approved_by is not None:
        yield Part(staff_id=life.approved_by, did="approved the entry")
    if life.confirmed_by is not None:
        yield Part(staff_id=life.confirmed_by, did="confirmed the entry")
