"""The log of changes: one row a change, in the change's own transaction, only ever added to."""

from sqlalchemy.orm import Session

from waypass_server.life import Actor
from waypass_server.models.records import Event


def record(
    session: Session,
    *,
    network_id: int,
    at: int,
    actor: Actor,
    what: str,
    subject: tuple[str, int],
    **details: object,
) -> None:
    """Add one event. `subject` is a kind of record and its id; `details` are ids, states and numbers, never names."""
    session.add(
        Event(
            network_id=network_id,
            at=at,
            actor=actor.kind.value,
            staff_id=actor.staff_id,
            what=what,
            subject=subject[0],
            subject_id=subject[1],
            details=details,
        )
    )
