"""Bases: the closed set of reasons, put there and changed by two people."""

import re
from typing import Any

import pytest
from tests.support.office import (
    CHECKED,
    COURT,
    DAY,
    HEALTH,
    HOSPITAL,
    HOUR,
    PRIORITY,
    RIDE,
    Office,
    basis_form,
    entry_form,
)


def test_two_people_put_a_basis_in_force(office: Office) -> None:
    made = office.do("proposer", "POST", "/bases", **basis_form())
    assert (made["state"], made["number"], made["authority"]) == ("proposed", 1, HEALTH)
    assert office.do(None, "GET", "/bases") == []
    approved = office.do("approver", "POST", f"/bases/{made['id']}/versions/1/approve")
    assert office.do(None, "GET", "/bases") == [approved]
    assert approved == made | {"state": "in-force"}
    again = office.call("approver", "POST", f"/bases/{made['id']}/versions/1/approve")
    assert (again.status_code, again.json()) == (200, approved)


def test_the_same_person_approving(office: Office) -> None:
    made = office.do("everything", "POST", "/bases", **basis_form())
    answer = office.call("everything", "POST", f"/bases/{made['id']}/versions/1/approve")
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:waypass:problem:same-person"
    assert answer.json()["detail"] == "approve: expected another person than the one who proposed the basis"


def test_nothing_is_proposed_on_a_basis_of_one_person(office: Office) -> None:
    made = office.do("proposer", "POST", "/bases", **basis_form())
    answer = office.call("proposer", "POST", "/entries", **entry_form(office.person(), made["id"]))
    assert answer.status_code == 409
    assert "not approved by a second person yet" in answer.json()["detail"]


def test_a_change_is_a_new_version_by_two_people(office: Office) -> None:
    person, basis = office.person(), office.basis()
    before = office.entry(person, basis)
    form = basis_form(authority=None, scopes=[RIDE], title="Infection protection, changed")
    version = office.do("admin", "POST", f"/bases/{basis}/versions", **form)
    assert (version["number"], version["state"]) == (2, "proposed")
    assert office.do(None, "GET", "/bases")[0]["number"] == 1
    assert office.call("admin", "POST", f"/bases/{basis}/versions/2/approve").status_code == 403
    office.do("admin-2", "POST", f"/bases/{basis}/versions/2/approve")
    assert [one["title"] for one in office.do(None, "GET", "/bases")] == ["Infection protection, changed"]
    stale = office.call("approver", "POST", f"/entries/{before}/approve")
    assert stale.status_code == 409
    assert stale.json()["detail"].startswith("approve: expected an entry on the basis as it is in force")
    old = office.call("approver", "POST", f"/bases/{basis}/versions/1/approve")
    assert (old.status_code, old.json()["detail"]) == (
        409,
        "approve: expected the newest proposed version, this one is replaced",
    )


@pytest.mark.parametrize(
    ("name", "changes", "status", "message"),
    [
        ("unknown authority", {"authority": "Nobody"}, 404, "authority: expected one of the network's authorities"),
        ("somebody else's", {"authority": COURT}, 403, "expected staff of the basis's authority, or of the network"),
        ("unknown scope", {"scopes": [RIDE, 99]}, 422, r"scopes: expected scopes among \[1, 2, 3, 4\], got \[99\]"),
        ("a scope twice", {"scopes": [RIDE, RIDE]}, 422, "scopes: expected at least one scope and each once"),
        ("no scope", {"scopes": []}, 422, "scopes: .*at least 1 item"),
        ("red where only health may", {"health": False}, 422, r"expected a basis of health for red in .*, got \[2\]"),
        ("a grant with red", {"effects": ["grant", "red"]}, 422, "effects: expected grant alone"),
        ("a grant for all", {"effects": ["grant"]}, 422, "scopes: expected scopes by grant only"),
        ("no notice", {"notice": 0}, 422, "notice: expected at least 3600 s before effect, got 0"),
        ("no longest duration", {"longest": None}, 422, "longest: expected a value, got none"),
        ("no deadline", {"objection_deadline": 0}, 422, "objection_deadline: .*greater than or equal to 1"),
        ("an effect that there is not", {"effects": ["black"]}, 422, "effects.0: .*'red', 'yellow' or 'grant'"),
        ("a score", {"score": 3}, 422, "score: no such field"),
        ("no citation", {"citation": " "}, 422, "citation: expected some text, got none"),
    ],
)
def test_what_is_no_basis(office: Office, name: str, changes: dict[str, Any], status: int, message: str) -> None:
    answer = office.call("proposer", "POST", "/bases", **basis_form(**changes))
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert re.search(message, answer.json()["detail"]), answer.text


def test_a_grant_needs_no_notice(office: Office) -> None:
    office.basis(effects=["grant"], scopes=[PRIORITY], notice=0, health=False, exclusions=[])


def test_red_without_health_outside_essential_scopes(office: Office) -> None:
    office.basis(health=False, scopes=[RIDE, CHECKED], notice=HOUR, longest=DAY)
    office.basis(health=False, effects=["yellow"], scopes=[HOSPITAL])


@pytest.mark.parametrize("path", ["/bases/77/versions/1/approve", "/bases/77/versions"])
def test_no_such_basis(office: Office, path: str) -> None:
    body = {} if path.endswith("approve") else basis_form(authority=None)
    answer = office.call("everything", "POST", path, **body)
    assert (answer.status_code, answer.json()["detail"]) == (404, "basis: expected one of the network's bases, got 77")
