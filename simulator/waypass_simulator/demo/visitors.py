"""The desk of the living demonstration for whoever looks at the stage.

Each visitor is registered under a new reference, a certificate of theirs is taken, and they get a code for a wallet.
The desk's token is used here and goes nowhere.
"""

import itertools
import os
import time
from dataclasses import dataclass
from datetime import date

from waypass_simulator.demo.props import Office
from waypass_simulator.health import HealthAuthority, InventedPerson


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskCode:
    """A code for a wallet, and the reference that the desk knows its holder by."""

    code: str
    person: str


class Visitors:
    """See the module's docstring."""

    def __init__(self, *, office: Office, authority: HealthAuthority) -> None:
        self._office = office
        self._authority = authority
        self._numbers = itertools.count(1)

    def welcome(self) -> DeskCode:
        """A new visitor comes to the desk. Raises `Refused` or `Unanswered`."""
        person = f"visitor-{next(self._numbers)}-{os.urandom(2).hex()}"
        invented = InventedPerson(family_name="Demo", given_name="Visitor", born=date(1980, 1, 1))
        certificate = self._authority.vaccination(invented, now=int(time.time()))
        with self._office.staff("dora") as desk:
            desk.post("/api/v1/people", {"reference": person})
            desk.post("/api/v1/evidence", {"person": person, "text": certificate})
            code = desk.post("/api/v1/desk-codes", {"person": person})["code"]
        return DeskCode(code=str(code), person=person)
