"""Two people at one desk are one opinion: in each part of each decision, and in the queue that offers it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.server.bulk.files import batch_of
from tests.server.test_worsening import fill
from tests.support.console import ConsoleBrowser
from tests.support.office import NOTICE, Office, basis_form
from tests.support.rule_sets import propose as propose_rules

from waypass_server.models.network import Staff


@dataclass(frozen=True, kw_only=True, slots=True)
class Next:
    """The part of a decision that waits for somebody."""

    path: str
    body: dict[str, Any]


def a_basis(office: Office, folder: Path) -> Next:
    made = office.do("proposer", "POST", "/bases", **basis_form())
    return Next(path=f"/bases/{made['id']}/versions/1/approve", body={})


def rules(office: Office, folder: Path) -> Next:
    address = propose_rules(office)
    seen = office.do("admin", "POST", f"{address}/shadow")["shadow_at"]
    return Next(path=f"{address}/approve", body={"shadow_at": seen})


def an_entry(office: Office, folder: Path) -> Next:
    return Next(path=f"/entries/{office.entry(office.person(), office.basis())}/approve", body={})


def a_held_entry(office: Office, folder: Path) -> Next:
    basis = office.basis()
    entry = office.entry(office.person(), basis)
    fill(office, basis, 100)
    assert office.do("approver", "POST", f"/entries/{entry}/approve")["state"] == "held"
    return Next(path=f"/entries/{entry}/confirm", body={})


def a_batch(office: Office, folder: Path) -> Next:
    return Next(path=f"/batches/{batch_of(office, folder, 1)}/approve", body={})


def a_held_batch(office: Office, folder: Path) -> Next:
    basis = office.basis()
    batch = batch_of(office, folder, 1, basis=basis)
    fill(office, basis, 100)
    assert office.do("approver", "POST", f"/batches/{batch}/approve")["state"] == "held"
    return Next(path=f"/batches/{batch}/confirm", body={})


def an_objection(office: Office, folder: Path) -> Next:
    """To an entry that was confirmed too."""
    confirm = a_held_entry(office, folder)
    office.do("approver-2", "POST", confirm.path)
    office.later()
    made = office.do("p-1", "POST", "/me/entries/1/objection", text="No.")
    return Next(path=f"/objections/{made['id']}/decide", body={"lift": False, "answer": "It stands."})


def a_limit(office: Office, folder: Path) -> Next:
    change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=900)
    return Next(path=f"/limits/changes/{change['id']}/agree", body={})


def a_limit_of_two(office: Office, folder: Path) -> Next:
    waits = a_limit(office, folder)
    office.do("approver", "POST", waits.path)
    return waits


def a_withdrawal(office: Office, folder: Path) -> Next:
    office.person()
    asked = [office.do("ops", "POST", "/withdrawals", person="p-1", reason="Stolen.") for _ in range(4)]
    assert asked[3]["state"] == "waiting"
    return Next(path="/withdrawals/4/confirm", body={})


Waiting = Callable[[Office, Path], Next]

PARTS: list[tuple[Waiting, str, str, str]] = [
    (a_basis, "approver-2", "proposer", "approve: {} than the one who proposed the basis"),
    (rules, "approver-2", "proposer", "approve: {} than the one who proposed the rules"),
    (an_entry, "approver-2", "proposer", "approve: {} than the one who proposed the entry"),
    (a_held_entry, "approver-2", "proposer", "confirm: {} than the one who proposed the entry"),
    (a_held_entry, "approver-2", "approver", "confirm: {} than the one who approved the entry"),
    (a_batch, "approver-2", "proposer", "approve: {} than the one who proposed the entry"),
    (a_held_batch, "approver-2", "proposer", "confirm: {} than the one who proposed the entry"),
    (a_held_batch, "approver-2", "approver", "confirm: {} than the one who approved the entry"),
    (an_objection, "reviewer", "proposer", "decide: {} than the one who proposed the entry"),
    (an_objection, "reviewer", "approver", "decide: {} than the one who approved the entry"),
    (an_objection, "reviewer", "approver-2", "decide: {} than the one who confirmed the entry"),
    (a_limit, "admin-2", "admin", "agree: {} than the one who proposed the change"),
    (a_limit_of_two, "reviewer", "admin", "agree: {} than the one who proposed the change"),
    (a_limit_of_two, "reviewer", "approver", "agree: {} than the one who agreed to the change"),
    (a_withdrawal, "ops-2", "ops", "confirm: {} than the one who asked for the withdrawal"),
]
"""What waits, who takes the next part, who took one before, and how the first is refused at the desk of the second."""
IDS = [f"{waiting.__name__} after the {before}" for waiting, _, before, _ in PARTS]


def waits_for(office: Office, who: str) -> bool:
    """Whether the queue offers them something."""
    browser = ConsoleBrowser(office)
    browser.sign_in(who)
    return "Nothing waits for you" not in browser.text()


@pytest.mark.parametrize(("waiting", "taker", "before", "message"), PARTS, ids=IDS)
def test_nobody_at_the_desk_of_somebody_before(
    office: Office, tmp_path: Path, waiting: Waiting, taker: str, before: str, message: str
) -> None:
    part = waiting(office, tmp_path)
    assert waits_for(office, taker)
    office.put_at("Shared", taker, before)
    assert not waits_for(office, taker), "nobody is offered what they may not do"
    answer = office.call(taker, "POST", part.path, **part.body)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:forbidden")
    assert answer.json()["detail"] == message.format("expected somebody from another desk")
    office.put_at("Elsewhere", taker)
    office.do(taker, "POST", part.path, **part.body)
    office.do(taker, "POST", part.path, **part.body)


@pytest.mark.parametrize(("waiting", "taker", "before", "message"), PARTS, ids=IDS)
def test_nobody_who_took_a_part_before(
    office: Office, tmp_path: Path, waiting: Waiting, taker: str, before: str, message: str
) -> None:
    part = waiting(office, tmp_path)
    with office.services.change() as session:
        roles = ["admin", "proposer", "approver", "reviewer", "ops"]
        session.execute(update(Staff).where(Staff.name == before).values(roles=roles))
    answer = office.call(before, "POST", part.path, **part.body)
    if answer.status_code == 200:
        assert (waiting, before) == (a_limit_of_two, "approver"), "again changes nothing"
        return
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:same-person")
    if not message.startswith("decide"):
        assert answer.json()["detail"] == message.format("expected another person")


def test_staff_of_whom_no_desk_is_known_are_at_one(office: Office, tmp_path: Path) -> None:
    part = a_basis(office, tmp_path)
    office.put_at("", "approver-2", "proposer")
    answer = office.call("approver-2", "POST", part.path)
    assert answer.status_code == 403
    assert "expected somebody from another desk" in answer.json()["detail"]


def a_limit_of_the_authority(office: Office, folder: Path) -> Next:
    change = office.do("admin", "POST", "/limits/changes", level="authority", of=1, window="day", value=900)
    return Next(path=f"/limits/changes/{change['id']}/agree", body={})


def a_limit_of_a_basis(office: Office, folder: Path) -> Next:
    basis = office.basis()
    change = office.do("admin", "POST", "/limits/changes", level="basis", of=basis, window="day", value=900)
    return Next(path=f"/limits/changes/{change['id']}/agree", body={})


@pytest.mark.parametrize(
    ("waiting", "message"),
    [
        (a_basis, "approve: expected somebody who does not work for the basis's authority"),
        (rules, "approve: expected somebody who does not work for the rule set's authority"),
        (an_entry, "approve: expected somebody who does not work for the basis's authority"),
        (a_held_entry, "confirm: expected somebody who does not work for the basis's authority"),
        (a_batch, "approve: expected somebody who does not work for an authority of the batch's bases"),
        (a_held_batch, "confirm: expected somebody who does not work for an authority of the batch's bases"),
        (a_limit_of_the_authority, "agree: expected somebody who does not work for the limit's authority"),
        (a_limit_of_a_basis, "agree: expected somebody who does not work for the limit's authority"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_nobody_of_the_authority_where_that_is_asked(
    office: Office, tmp_path: Path, waiting: Waiting, message: str
) -> None:
    part = waiting(office, tmp_path)
    office.put_at("Shared", "health-approver")
    assert waits_for(office, "health-approver")
    strict = office.under(approval_elsewhere=True)
    assert not waits_for(strict, "health-approver")
    answer = strict.call("health-approver", "POST", part.path, **part.body)
    assert (answer.status_code, answer.json()["detail"]) == (403, message)
    strict.do("approver-2", "POST", part.path, **part.body)


def test_a_limit_of_the_network_is_of_no_authority(office: Office, tmp_path: Path) -> None:
    part = a_limit(office, tmp_path)
    office.under(approval_elsewhere=True).do("health-approver", "POST", part.path)


def test_a_reviewer_beside_the_proposer_is_told_why(office: Office, tmp_path: Path) -> None:
    an_objection(office, tmp_path)
    office.put_at("Shared", "reviewer", "proposer")
    browser = ConsoleBrowser(office)
    browser.sign_in("reviewer")
    assert "for another reviewer" in browser.text()
    browser.get("/ops/objections/1")
    assert "You or somebody at your desk had a part in this entry" in browser.text()
    office.later(NOTICE)


@pytest.mark.parametrize(
    ("waiting", "page", "taker", "before", "words"),
    [
        (a_basis, "/ops/bases/1/1", "approver-2", "proposer", "Somebody from another desk, or of another authority"),
        (rules, "/ops/rules/1/1", "approver-2", "proposer", "Somebody from another desk, or of another authority"),
        (a_held_entry, "/ops/entries/1", "approver-2", "approver", "from a third desk, must confirm this"),
        (a_withdrawal, "/ops/withdrawals/4", "ops-2", "ops", "Somebody at your desk asked for it"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_the_page_says_who_must_do_it(
    office: Office, tmp_path: Path, waiting: Waiting, page: str, taker: str, before: str, words: str
) -> None:
    waiting(office, tmp_path)
    office.put_at("Shared", taker, before)
    browser = ConsoleBrowser(office)
    browser.sign_in(taker)
    browser.get(page)
    assert words in browser.text()
    assert [form.action for form in browser.forms() if form.action.endswith(("approve", "confirm"))] == []


def test_the_page_of_limits_offers_nothing_to_a_neighbour(office: Office, tmp_path: Path) -> None:
    part = a_limit(office, tmp_path)
    browser = ConsoleBrowser(office)
    browser.sign_in("admin-2")
    browser.get("/ops/limits")
    assert any(form.action.endswith("/agree") for form in browser.forms())
    office.put_at("Shared", "admin", "admin-2")
    browser.get("/ops/limits")
    assert not any(form.action.endswith("/agree") for form in browser.forms())
    assert part.body == {}
