"""Who and what is meant by a number: names of staff and of services, for pages."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from waypass_server.models.network import Scope, Staff


def names_of_staff(session: Session, network_id: int) -> Mapping[int, str]:
    """By id, also of those who have left: they answer for what they did."""
    query = select(Staff.id, Staff.name).where(Staff.network_id == network_id)
    return {row.id: row.name for row in session.execute(query)}


def names_of_scopes(session: Session, network_id: int) -> Mapping[int, str]:
    """By number."""
    query = select(Scope.number, Scope.name).where(Scope.network_id == network_id)
    return {row.number: row.name for row in session.execute(query)}
