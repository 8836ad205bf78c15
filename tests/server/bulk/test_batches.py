"""Batches: two people for the whole, limits that hold, and then the life of every other entry."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from tests.server.bulk.files import batch_of, bring_in, entry_row, register, write_jsonl
from tests.server.test_worsening import fill, limits
from tests.support.office import CHECKED, DAY, GREEN, HOSPITAL, HOUR, NOTICE, NOW, PRIORITY, RIDE, Office, basis_form

from waypass_protocol.passes import Aspect
from waypass_server.bulk import carrying
from waypass_server.issuing import allocator
from waypass_server.life import State
from waypass_server.models.bulk import Batch, BatchState
from waypass_server.models.lists_of_people import Entry
from waypass_server.models.records import Event, Notice
from waypass_server.models.status import PassKind, PassRow, StatusChange
from waypass_server.models.worsening import Alarm

pytestmark = pytest.mark.both_stores


def approve(office: Office, batch: int, who: str = "approver") -> str:
    return str(office.do(who, "POST", f"/batches/{batch}/approve")["state"])


def states(office: Office, batch: int) -> list[str]:
    found = office.do("reviewer", "GET", f"/batches/{batch}/entries")
    return [row["state"] for row in found]


def events_of(office: Office, entry: int) -> list[str]:
    query = select(Event.what).where(Event.subject == "entry", Event.subject_id == entry).order_by(Event.id)
    with office.services.database.reading() as session:
        return list(session.scalars(query))


def with_passes(office: Office, people: int) -> None:
    """So many people with a wallet, and a pass each that says green for the ride."""
    with office.services.change() as session:
        session.add_all(PassRow(person_id=number, list_id=1, idx=number, **PASS) for number in range(1, people + 1))


def open_list(office: Office) -> None:
    with office.services.change() as session:
        allocator(office.services, PassKind.BOUND).open_list(session, 1, NOW)


PASS: dict[str, Any] = {
    "kind": PassKind.BOUND,
    "aspects": {str(RIDE): 0},
    "iat": NOW,
    "exp": NOW + 3 * DAY,
    "status": 0,
    "created_at": NOW,
}


def test_a_batch_goes_the_way_of_an_entry(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 3)
    wallet = office.person("p-1")
    assert approve(office, batch) == "approved"
    assert states(office, batch) == ["proposed"] * 3, "the decision is carried out by the scheduler"
    office.later()
    assert states(office, batch) == ["notified"] * 3
    (told,) = office.do(wallet, "GET", "/me/notices")
    assert told["content"]["object"] == "POST /api/v1/me/entries/1/objection"
    assert told["content"]["takes_effect_not_before"] == NOW + NOTICE
    assert office.aspects(wallet) == GREEN
    office.later(NOTICE)
    assert states(office, batch) == ["in-effect"] * 3
    assert office.aspects(wallet) == {**GREEN, RIDE: "red"}
    assert events_of(office, 2) == ["entry.proposed", "entry.approved", "entry.notified", "entry.in-effect"]
    shown = office.do("approver", "GET", f"/batches/{batch}")
    assert (shown["state"], shown["step"]) == ("approved", None)
    office.later(20 * DAY)
    assert states(office, batch) == ["ended"] * 3
    assert office.aspects(wallet) == GREEN


def test_it_is_as_if_each_had_been_typed(office: Office, tmp_path: Path) -> None:
    """An entry of a batch and one that stands alone have the same rows, events and notices all the way."""
    basis = office.basis()
    batch = batch_of(office, tmp_path, 1, basis=basis, case_reference="H-2027-11")
    alone = office.entry(office.person("p-9"), basis)
    approve(office, batch)
    office.do("approver", "POST", f"/entries/{alone}/approve")
    office.later()
    office.later(NOTICE)
    with office.services.database.reading() as session:
        one, other = session.scalars(select(Entry).order_by(Entry.id)).all()
        notices = session.scalars(select(Notice).order_by(Notice.entry_id)).all()
        said = [
            session.execute(
                select(Event.what, Event.actor, Event.staff_id, Event.details).where(mine).order_by(Event.id)
            ).all()
            for mine in ((Event.subject == "entry") & (Event.subject_id == number) for number in (one.id, other.id))
        ]
    apart = {"id", "person_id", "batch_id"}
    columns = [column.name for column in Entry.__table__.columns if column.name not in apart]
    assert {name: getattr(one, name) for name in columns} == {name: getattr(other, name) for name in columns}
    first, second = (json.dumps(notice.content).replace(f"entries/{notice.entry_id}/", "") for notice in notices)
    assert first.replace('"entry": 1', "") == second.replace('"entry": 2', "")
    assert said[0] == said[1]


def test_passes_that_say_too_much_go_and_others_stay(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 3)
    open_list(office)
    with_passes(office, 3)
    with office.services.change() as session:
        session.get_one(PassRow, 2).aspects = {str(RIDE): int(Aspect.RED)}
        session.get_one(PassRow, 3).aspects = {str(HOSPITAL): 0}
    approve(office, batch)
    office.later()
    office.later(NOTICE)
    with office.services.database.reading() as session:
        gone = session.execute(select(PassRow.id, PassRow.status).order_by(PassRow.id)).all()
        outbox = session.execute(select(StatusChange.idx, StatusChange.status)).all()
    assert list(gone) == [(1, 1), (2, 0), (3, 0)]
    assert list(outbox) == [(1, 1)]


@pytest.mark.parametrize(
    ("who", "status", "message"),
    [
        ("proposer", 403, "expected a token of somebody with the role approver"),
        ("reviewer", 403, "expected a token of somebody with the role approver"),
        ("neighbour", 403, "expected somebody from another desk than the one who proposed"),
    ],
)
def test_who_may_not_approve(office: Office, tmp_path: Path, who: str, status: int, message: str) -> None:
    batch = batch_of(office, tmp_path, 1)
    answer = office.call(who, "POST", f"/batches/{batch}/approve")
    assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
    assert states(office, batch) == ["proposed"]


def test_nobody_approves_what_they_imported(office: Office, tmp_path: Path) -> None:
    rows = [entry_row(person, office.basis()) for person in register(office, 1)]
    result, _ = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows), who="everything")
    answer = office.call("everything", "POST", f"/batches/{result.batch_id}/approve")
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:waypass:problem:same-person")


@pytest.mark.parametrize("action", ["approve", "confirm"])
def test_an_entry_of_a_batch_is_not_approved_alone(office: Office, tmp_path: Path, action: str) -> None:
    batch = batch_of(office, tmp_path, 2)
    answer = office.call("approver", "POST", f"/entries/1/{action}")
    assert answer.status_code == 409
    assert answer.json()["detail"] == f"{action}: expected an entry that stands alone, this one is of batch {batch}"


def test_past_a_limit_a_third_person_and_everybody_sees_the_alarm(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    fill(office, basis, 98)
    batch = batch_of(office, tmp_path, 3, basis=basis)
    assert approve(office, batch) == "held"
    office.later()
    assert states(office, batch) == ["held"] * 3
    assert limits(office)["basis", basis, "day"] == (101, 100), "what is held counts all the same"
    (alarm,) = office.do(None, "GET", "/alarms")
    assert (alarm["level"], alarm["people"], alarm["limit"]) == ("basis", 101, 100)
    assert office.do("approver", "POST", f"/batches/{batch}/approve")["state"] == "held", "again changes nothing"
    again = office.call("approver", "POST", f"/batches/{batch}/confirm")
    assert again.json()["detail"] == "confirm: expected another person than the one who approved the entry"
    office.later()
    assert states(office, batch) == ["held"] * 3
    assert office.do("approver-2", "POST", f"/batches/{batch}/confirm")["state"] == "approved"
    office.later()
    assert states(office, batch) == ["notified"] * 3
    assert events_of(office, 1) == ["entry.proposed", "entry.held", "entry.confirmed", "entry.notified"]
    shown = office.do("reviewer", "GET", "/entries/1")
    assert None not in (shown["approved_by"], shown["confirmed_by"])
    assert limits(office)["basis", basis, "day"][0] == 101


def test_a_batch_confirmed_while_it_is_being_held(office: Office, tmp_path: Path) -> None:
    """Before the scheduler came to it: it goes on all the same."""
    basis = office.basis()
    fill(office, basis, 100)
    batch = batch_of(office, tmp_path, 2, basis=basis)
    approve(office, batch)
    office.do("approver-2", "POST", f"/batches/{batch}/confirm")
    office.later()
    assert states(office, batch) == ["notified"] * 2


def test_grants_worsen_nobody(office: Office, tmp_path: Path) -> None:
    form = basis_form(effects=["grant"], scopes=[PRIORITY], health=False, notice=0)
    basis = office.do("proposer", "POST", "/bases", **form)["id"]
    office.do("approver", "POST", f"/bases/{basis}/versions/1/approve")
    fill(office, basis, 100)
    batch = batch_of(office, tmp_path, 2, basis=basis, effect="grant", scopes=[PRIORITY])
    assert approve(office, batch) == "approved"
    office.later()
    assert states(office, batch) == ["in-effect"] * 2
    assert limits(office)["basis", basis, "day"][0] == 100


def test_single_entries_are_taken_out_before(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 3)
    assert office.do("approver", "POST", f"/batches/{batch}/take-out", entries=[2]) == {"taken_out": 1}
    other = office.call("approver", "POST", f"/batches/{batch}/take-out", entries=[77])
    assert other.json()["detail"] == f"entries: expected entries of batch {batch}, got 1 others"
    assert office.do("reviewer", "GET", f"/batches/{batch}/preview")["people"] == 2
    approve(office, batch)
    office.later()
    assert states(office, batch) == ["notified", "ended", "notified"]
    late = office.call("approver", "POST", f"/batches/{batch}/take-out", entries=[1])
    assert late.json()["detail"] == "take out: expected a batch that waits for approval, this one is approved"
    assert limits(office)["network", 0, "day"][0] == 2


def test_one_person_turns_a_batch_down(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 2)
    assert office.do("proposer", "POST", f"/batches/{batch}/withdraw")["state"] == "ended"
    assert office.do("proposer", "POST", f"/batches/{batch}/withdraw")["state"] == "ended"
    office.later()
    assert states(office, batch) == ["ended"] * 2
    assert office.entry_state(1) == ("ended", "withdrawn")
    assert office.call("approver", "POST", f"/batches/{batch}/approve").status_code == 409
    with office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Notice)) == 0


def test_one_person_undoes_a_batch_within_a_day(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 2)
    wallet = office.person("p-1")
    approve(office, batch)
    office.later()
    office.later(NOTICE)
    assert office.aspects(wallet)[RIDE] == "red"
    assert office.do("ops", "POST", f"/batches/{batch}/undo")["state"] == "ended"
    office.later()
    assert states(office, batch) == ["ended"] * 2
    assert office.aspects(wallet) == GREEN
    assert [one["kind"] for one in office.do(wallet, "GET", "/me/notices")].count("entry-ended") == 1


def test_an_undo_before_all_were_reached(office: Office, tmp_path: Path) -> None:
    """No entry is left behind as a proposal."""
    batch = batch_of(office, tmp_path, 3)
    approve(office, batch)
    office.do("approver", "POST", f"/batches/{batch}/undo")
    office.later()
    assert states(office, batch) == ["ended"] * 3


def test_an_undo_comes_too_late(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 1)
    approve(office, batch)
    office.later()
    office.later(NOTICE)
    office.later(DAY + HOUR)
    answer = office.call("ops", "POST", f"/batches/{batch}/undo")
    assert (answer.status_code, answer.json()["detail"].partition(",")[0]) == (409, "undo: expected it within 86400 s")
    assert states(office, batch) == ["in-effect"]


def test_a_basis_that_has_changed(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    batch = batch_of(office, tmp_path, 1, basis=basis)
    office.do("proposer", "POST", f"/bases/{basis}/versions", **basis_form(authority=None, notice=3 * HOUR))
    office.do("approver", "POST", f"/bases/{basis}/versions/2/approve")
    answer = office.call("approver", "POST", f"/batches/{batch}/approve")
    assert (answer.status_code, "has changed since" in answer.json()["detail"]) == (409, True)


def test_an_objection_suspends_one_entry_of_a_batch(office: Office, tmp_path: Path) -> None:
    batch = batch_of(office, tmp_path, 2)
    wallet = office.person("p-1")
    approve(office, batch)
    office.later()
    office.do(wallet, "POST", "/me/entries/1/objection", text="It was not me.")
    office.later(NOTICE)
    assert states(office, batch) == ["suspended", "in-effect"]
    office.later(11 * DAY)
    assert states(office, batch) == ["ended", "in-effect"], "not decided in time, it lapses"
    assert office.entry_state(1) == ("ended", "lapsed")


def test_without_reconfirmation_all_of_them_lapse(office: Office, tmp_path: Path) -> None:
    basis = office.basis(longest=200 * DAY)
    batch = batch_of(office, tmp_path, 2, basis=basis, ends_at=NOW + 150 * DAY)
    approve(office, batch)
    office.later()
    office.later(NOTICE)
    office.later(90 * DAY)
    assert [office.entry_state(number) for number in (1, 2)] == [("ended", "lapsed")] * 2


def carry_out_and_fail(session: Session, batch: int) -> None:
    carrying.carry_out_part(session, batch, NOW, at_once=2)
    raise ZeroDivisionError


def test_what_was_decided_goes_on_after_a_crash(office: Office, tmp_path: Path) -> None:
    """Each part is a transaction; one that was rolled back is carried out again, and none twice."""
    batch = batch_of(office, tmp_path, 5)
    approve(office, batch)
    with pytest.raises(ZeroDivisionError), office.services.change() as session:
        carry_out_and_fail(session, batch)
    with office.services.change() as session:
        carrying.carry_out_part(session, batch, NOW, at_once=2)
    with office.services.database.reading() as session:
        found = session.scalars(select(Entry.state).order_by(Entry.id)).all()
        assert session.get_one(Batch, batch).reached == 2
    assert found == [State.APPROVED] * 2 + [State.PROPOSED] * 3
    office.later()
    assert states(office, batch) == ["notified"] * 5
    assert [events_of(office, number).count("entry.approved") for number in range(1, 6)] == [1] * 5
    with office.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Notice)) == 5


def test_the_preview_counts_people_passes_and_limits(office: Office, tmp_path: Path) -> None:
    basis = office.basis()
    fill(office, basis, 60)
    open_list(office)
    rows = [entry_row(person, basis) for person in register(office, 4)]
    rows[1] |= {"effect": "yellow", "scopes": [RIDE, CHECKED]}
    rows.append(entry_row("p-1", basis, effect="yellow", scopes=[HOSPITAL]))
    register(office, 8)
    result, _ = bring_in(office, write_jsonl(tmp_path / "a.jsonl", rows))
    with_passes(office, 3)
    with office.services.change() as session:
        session.get_one(PassRow, 3).aspects = {str(RIDE): int(Aspect.RED)}
    seen = office.do("approver", "GET", f"/batches/{result.batch_id}/preview")
    assert (seen["entries"], seen["people"], seen["network"], seen["share"]) == (5, 4, 8, 0.5)
    assert (seen["live"], seen["invalid"]) == (3, 2)
    assert [(one["scope"], one["effect"], one["people"]) for one in seen["scopes"]] == [
        (RIDE, "red", 3),
        (RIDE, "yellow", 1),
        (HOSPITAL, "yellow", 1),
        (CHECKED, "yellow", 1),
    ]
    assert (seen["worsening"], seen["usual"], seen["days"]) == (5, 2.0, [0] * 29 + [60])
    nearest = seen["limits"][0]
    assert (nearest["level"], nearest["people"], nearest["after"], nearest["limit"]) == ("basis", 60, 65, 100)
    assert (seen["held"], nearest["passed"]) == (False, False)
    fill(office, basis, 36)
    seen = office.do("approver", "GET", f"/batches/{result.batch_id}/preview")
    assert (seen["held"], seen["limits"][0]["passed"]) == (True, True)
    with office.services.database.reading() as session:
        assert session.scalars(select(Alarm)).all() == [], "to look is no alarm"
        assert session.scalars(select(Batch.state)).one() is BatchState.PROPOSED
