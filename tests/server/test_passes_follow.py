"""What a change does to passes that are out: the too permissive ones go, the too strict ones stay."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.support.office import CHECKED, DAY, HOSPITAL, NOTICE, NOW, PRIORITY, RIDE, Office

from waypass_server.issuing import issue_paper
from waypass_server.models.network import Scope
from waypass_server.models.people import Person
from waypass_server.models.status import PassRow, StatusChange
from waypass_server.people import find_person
from waypass_server.reassess import look_at_everybody

pytestmark = pytest.mark.both_stores


def paper(office: Office, person: str, *scopes: int) -> int:
    """A paper pass; the id of its row."""
    with office.services.change() as session:
        found = find_person(session, 1, person)
        issue_paper(session, office.services, found.id, list(scopes), None, office.services.now(), staff_id=None)
        return session.execute(select(func.max(PassRow.id))).scalar_one()


def status(office: Office, row: int) -> int:
    with office.services.database.reading() as session:
        return session.get_one(PassRow, row).status


def changes(office: Office) -> int:
    with office.services.database.reading() as session:
        return session.execute(select(func.count()).select_from(StatusChange)).scalar_one()


def test_red_takes_a_green_pass_and_its_end_takes_nothing(office: Office) -> None:
    person = office.person()
    green = paper(office, person, RIDE)
    entry = office.entry(person, office.basis())
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    office.later(NOTICE - 1)
    assert status(office, green) == 0
    office.later(1)
    assert (status(office, green), changes(office)) == (1, 1)
    red = paper(office, person, RIDE)
    office.do("ops", "POST", f"/entries/{entry}/undo")
    assert (status(office, red), changes(office)) == (0, 1), "a pass that is merely too strict lives on"


def test_a_change_in_other_scopes_takes_nothing(office: Office) -> None:
    person = office.person()
    ride = paper(office, person, RIDE)
    office.entry_in_effect(person, office.basis(), scopes=[HOSPITAL])
    assert status(office, ride) == 0


def test_yellow_leaves_a_yellow_pass(office: Office) -> None:
    person = office.person()
    yellow = paper(office, person, CHECKED)
    fact = {"kind": "exposure", "source": "s", "reason": "r", "yellow": True, "valid_until": NOW + DAY}
    office.do("desk", "POST", "/facts", person=person, **fact)
    assert status(office, yellow) == 0


def test_the_end_of_an_exemption_takes_its_passes(office: Office) -> None:
    person = office.person()
    office.entry_in_effect(person, office.basis())
    ends_at = office.services.now() + DAY
    office.do("reviewer", "POST", "/exemptions", person=person, reason="Hearing", ends_at=ends_at)
    exempt = paper(office, person, RIDE)
    office.later(DAY - 1)
    assert status(office, exempt) == 0
    office.later(1)
    assert status(office, exempt) == 1


def test_the_end_of_a_grant_takes_its_passes(office: Office) -> None:
    person = office.person()
    basis = office.basis(effects=["grant"], scopes=[PRIORITY], notice=0, health=False, exclusions=[])
    entry = office.entry(person, basis, effect="grant", scopes=[PRIORITY], exclusions_checked=[])
    office.do("approver", "POST", f"/entries/{entry}/approve")
    office.later()
    lane = paper(office, person, PRIORITY)
    office.do("proposer", "POST", f"/entries/{entry}/withdraw")
    assert status(office, lane) == 1


def test_a_scope_that_becomes_stricter_takes_its_passes(office: Office) -> None:
    person = office.person()
    ride = paper(office, person, RIDE)
    # No file may do this where there are people; where it was done all the same, their passes follow.
    with office.services.change() as session:
        session.scalars(select(Scope).where(Scope.number == RIDE)).one().needs_evidence = True
        look_at_everybody(session, 1, NOW)
    office.later()
    assert status(office, ride) == 1


def withdrawal(person: str) -> Mapping[str, Any]:
    return {"person": person, "reason": "The phone was stolen."}


def test_an_emergency_withdrawal_takes_passes_and_nothing_else(office: Office) -> None:
    person = office.person()
    row = paper(office, person, RIDE)
    done = office.do("ops", "POST", "/withdrawals", **withdrawal(person))
    assert (done["state"], done["passes"], status(office, row)) == ("done", 1, 1)
    assert office.aspects(person)[RIDE] == "green"
    assert status(office, paper(office, person, RIDE)) == 0, "it blocks no new pass"
    office.later()
    (notice,) = office.outbox.sent.values()
    assert (notice.kind, notice.content["reason"]) == ("withdrawal", "The phone was stolen.")
    events = office.do("ops", "GET", "/events")
    assert events[-1]["what"] == "withdrawal.done"


def test_the_fourth_within_a_month_needs_a_second_person(office: Office) -> None:
    person = office.person()
    for _ in range(3):
        assert office.do("ops", "POST", "/withdrawals", **withdrawal(person))["state"] == "done"
        office.later(DAY)
    row = paper(office, person, RIDE)
    waiting = office.do("ops", "POST", "/withdrawals", **withdrawal(person))
    assert (waiting["state"], waiting["passes"], status(office, row)) == ("waiting", None, 0)
    path = f"/withdrawals/{waiting['id']}/confirm"
    alone = office.call("ops", "POST", path)
    assert (alone.status_code, alone.json()["type"]) == (403, "urn:waypass:problem:same-person")
    done = office.do("ops-2", "POST", path)
    assert (done["state"], done["passes"], status(office, row)) == ("done", 1, 1)
    assert office.do("ops-2", "POST", path) == done, "again changes nothing"
    office.later(28 * DAY)
    assert office.do("ops", "POST", "/withdrawals", **withdrawal(person))["state"] == "done", "the window slides"


def test_the_hundred_and_first_person_of_a_day_needs_a_second_person(office: Office) -> None:
    with office.services.change() as session:
        for number in range(101):
            session.add(Person(network_id=1, reference=f"q-{number}", created_at=NOW))
    for number in range(100):
        assert office.do("ops", "POST", "/withdrawals", **withdrawal(f"q-{number}"))["state"] == "done"
    assert office.do("ops", "POST", "/withdrawals", **withdrawal("q-100"))["state"] == "waiting"
    assert office.do("ops", "POST", "/withdrawals", **withdrawal("q-0"))["state"] == "done", "no new person"
    office.later(DAY)
    assert office.do("ops", "POST", "/withdrawals", **withdrawal("q-100"))["state"] == "done"


@pytest.mark.parametrize("changes_", [{"person": "p-77"}, {"reason": " "}, {"reason": None}])
def test_what_is_no_withdrawal(office: Office, changes_: dict[str, Any]) -> None:
    answer = office.call("ops", "POST", "/withdrawals", **{**withdrawal(office.person()), **changes_})
    assert answer.status_code in (404, 422)


def test_a_pass_of_a_time_that_comes_again_goes_when_it_is_over(office: Office) -> None:
    """The clock ran ahead, and everything that was due then was done; then it was put back."""
    person = office.person()
    fact = {"kind": "survey", "source": "desk", "reason": "fever", "yellow": True, "scopes": [RIDE]}
    begins = {"valid_from": NOW + 7200, "valid_until": NOW + DAY}
    office.do("desk", "POST", "/facts", person=person, **fact, **begins)
    office.later(3 * 3600)
    office.clock.advance(-2 * 3600)
    assert office.aspects(person)[RIDE] == "green"
    green = paper(office, person, RIDE)
    office.later(3600 - 1)
    assert status(office, green) == 0
    office.later(1)
    assert status(office, green) == 1
