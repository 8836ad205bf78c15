"""How many people may be worsened: limits that hold, a third person, public alarms, and changes that take three."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.support.databases import put_on_postgresql
from tests.support.office import DAY, HEALTH, HOUR, NOTICE, NOW, PRIORITY, RIDE, Office, basis_form, open_office
from tests.support.postgresql import Cluster, needs_postgresql

from waypass_server import entries, worsening
from waypass_server.bases import Proposer
from waypass_server.life import Actor, Kind
from waypass_server.models.lists_of_people import Basis, Entry
from waypass_server.models.network import Staff
from waypass_server.models.people import Person
from waypass_server.models.records import Event
from waypass_server.models.worsening import Alarm, Level, Window, WorsenedSum
from waypass_server.publiclog.store import lock_tree
from waypass_server.roles import Role

Limits = dict[tuple[str, int, str], tuple[int, int]]


def limits(office: Office) -> Limits:
    """(level, of, window) to people and limit, as staff see them."""
    rows = office.do("admin", "GET", "/limits")
    return {(row["level"], row["of"], row["window"]): (row["people"], row["limit"]) for row in rows}


def fill(office: Office, basis: int, people: int) -> None:
    """As if so many people had been worsened on a basis just now."""
    with office.services.change() as session:
        worsening.count(session, session.get_one(Basis, basis), people, actor=Actor(kind=Kind.SYSTEM), now=now(office))


def now(office: Office) -> int:
    return office.services.now()


def approve(office: Office, entry: int, who: str = "approver") -> Any:
    return office.do(who, "POST", f"/entries/{entry}/approve")


def test_each_approval_counts_at_three_levels_and_for_good(office: Office) -> None:
    basis = office.basis()
    entry = office.entry(office.person(), basis)
    assert limits(office)["network", 0, "day"][0] == 0, "a proposal is nothing yet"
    approve(office, entry)
    approve(office, entry)
    counted = {place: people for place, (people, _) in limits(office).items()}
    assert counted["network", 0, "day"] == counted["network", 0, "month"] == 1
    assert counted["basis", basis, "day"] == 1
    assert sum(people for (level, _, window), people in counted.items() if (level, window) == ("authority", "day")) == 1
    office.do("ops", "POST", f"/entries/{entry}/undo")
    assert limits(office)["basis", basis, "day"][0] == 1


@pytest.mark.parametrize(("people", "told"), [(0, 0), (1, None), (4, None), (5, 5), (9, 5), (107, 105)])
def test_whoever_has_no_token_learns_no_small_number(office: Office, people: int, told: int | None) -> None:
    basis = office.basis()
    if people:
        fill(office, basis, people)
    for who, expected in ((None, told), ("desk", people)):
        rows = office.do(who, "GET", "/limits")
        assert {row["people"] for row in rows if (row["level"], row["of"]) == ("basis", basis)} == {expected}, who


def test_a_token_that_is_not_known_is_not_taken_for_none(office: Office) -> None:
    answer = office.send("GET", "/api/v1/limits", headers={"Authorization": "Bearer wps_none"})
    assert answer.status_code == 401


def test_an_alarm_of_few_gives_no_number(office: Office) -> None:
    basis = office.basis()
    change = office.do("admin", "POST", "/limits/changes", level="basis", of=basis, window="day", value=1)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")
    fill(office, basis, 2)
    assert [(row["people"], row["limit"]) for row in office.do(None, "GET", "/alarms")] == [(None, 1)]
    assert [row["people"] for row in office.do("reviewer", "GET", "/alarms")] == [2]


def test_a_grant_worsens_nobody(office: Office) -> None:
    form = basis_form(effects=["grant"], scopes=[PRIORITY], health=False, notice=NOTICE)
    made = office.do("proposer", "POST", "/bases", **form)
    approve_basis = f"/bases/{made['id']}/versions/1/approve"
    office.do("approver", "POST", approve_basis)
    entry = office.entry(office.person(), made["id"], effect="grant", scopes=[PRIORITY])
    assert approve(office, entry)["state"] == "approved"
    assert limits(office)["network", 0, "day"][0] == 0


def test_past_a_limit_a_third_person_has_to_confirm(office: Office) -> None:
    person, basis = office.person(), office.basis()
    entry = office.entry(person, basis)
    fill(office, basis, 100)
    assert approve(office, entry)["state"] == "held"
    office.later(NOTICE + DAY)
    assert office.entry_state(entry) == ("held", None)
    assert office.do(person, "GET", "/me")["entries"] == [], "nobody is told of what may never be"
    assert office.aspects(person)[RIDE] == "green"
    for who in ("proposer", "approver"):
        answer = office.call(who, "POST", f"/entries/{entry}/confirm")
        assert answer.status_code == 403, who
    confirmed = office.do("approver-2", "POST", f"/entries/{entry}/confirm")
    assert confirmed["state"] == "approved"
    assert office.do("approver-2", "POST", f"/entries/{entry}/confirm")["id"] == entry, "again changes nothing"
    office.later()
    office.later(NOTICE)
    assert office.entry_state(entry) == ("in-effect", None)


def test_a_held_entry_can_be_turned_down_by_one(office: Office) -> None:
    basis = office.basis()
    entry = office.entry(office.person(), basis)
    fill(office, basis, 100)
    approve(office, entry)
    assert office.do("proposer", "POST", f"/entries/{entry}/withdraw")["state"] == "ended"
    answer = office.call("approver-2", "POST", f"/entries/{entry}/confirm")
    assert "confirm: expected an entry that is held" in answer.json()["detail"]


def test_what_is_held_counts_so_that_it_cannot_pile_up(office: Office) -> None:
    basis = office.basis()
    fill(office, basis, 100)
    for number in range(3):
        assert approve(office, office.entry(office.person(f"p-{number}"), basis))["state"] == "held"
    assert limits(office)["basis", basis, "day"] == (103, 100)


def test_an_alarm_is_public_and_names_nobody(office: Office) -> None:
    basis = office.basis()
    fill(office, basis, 100)
    assert office.do(None, "GET", "/alarms") == []
    approve(office, office.entry(office.person("p-secret"), basis))
    (alarm,) = office.do(None, "GET", "/alarms")
    assert alarm == {"at": NOW, "level": "basis", "of": basis, "window": "day", "people": 101, "limit": 100}
    with office.services.database.reading() as session:
        (event,) = session.scalars(select(Event).where(Event.what == "limit.passed"))
    assert event.details == {"level": "basis", "of": basis, "window": "day", "people": 101, "limit": 100}


@pytest.mark.parametrize(("window", "seconds"), [("day", DAY), ("month", 30 * DAY)])
def test_the_sums_slide(office: Office, window: str, seconds: int) -> None:
    basis = office.basis()
    fill(office, basis, 7)
    office.clock.advance(seconds - 1)
    assert limits(office)["basis", basis, window][0] == 7
    office.clock.advance(worsening.BUCKET + 1)
    assert limits(office)["basis", basis, window][0] == 0


def test_every_level_and_window_holds(office: Office) -> None:
    basis = office.basis()
    for (level, window), limit in worsening.DEFAULTS.items():
        with office.services.change() as session:
            subject = next(one for one in worsening.subjects_of(session.get_one(Basis, basis)) if one.level is level)
            row = WorsenedSum(
                network_id=subject.network_id,
                level=level,
                subject_id=subject.id,
                bucket=NOW if window is Window.DAY else NOW - 10 * DAY,
                people=limit,
            )
            session.add(row)
            session.flush()
            passed = worsening.would_pass(session, session.get_one(Basis, basis), 1, NOW)
            assert (level, window) in {(one.subject.level, one.window) for one in passed}
            session.delete(row)


def test_two_approvals_at_once_are_not_both_the_last_that_may(office: Office) -> None:
    basis = office.basis()
    ids = [office.entry(office.person(f"p-{number}"), basis) for number in range(4)]
    fill(office, basis, 99)
    with office.services.database.reading() as session:
        approver = session.scalars(select(Staff).where(Staff.name == "approver")).one()
    acting = Proposer(
        actor=Actor(kind=Kind.STAFF, staff_id=approver.id, roles=frozenset({Role.APPROVER})),
        staff_id=approver.id,
        network_id=approver.network_id,
        authority_id=None,
    )

    def act(entry_id: int) -> str:
        with office.services.change() as session:
            entry = session.get_one(Entry, entry_id, with_for_update=True)
            return entries.approve(session, entry, approver=acting, now=NOW).state.value

    with ThreadPoolExecutor(max_workers=4) as pool:
        states = sorted(pool.map(act, ids))
    assert states == ["approved", "held", "held", "held"]


def test_a_higher_limit_takes_three_people_and_72_hours_in_public(office: Office) -> None:
    basis = office.basis()
    body = {"level": "basis", "of": basis, "window": "day", "value": 5000}
    change = office.do("admin", "POST", "/limits/changes", **body)
    agree = f"/limits/changes/{change['id']}/agree"
    assert change["state"] == "proposed"
    refused = office.call("admin", "POST", agree)
    assert refused.status_code == 403
    assert "agree: expected another person than the one who proposed" in refused.json()["detail"]
    assert office.do("approver", "POST", agree)["state"] == "agreed"
    assert office.do("approver", "POST", agree)["state"] == "agreed", "again changes nothing"
    public = office.do("reviewer", "POST", agree)
    assert (public["state"], public["in_force_at"]) == ("public", NOW + 72 * HOUR)
    (shown,) = office.do(None, "GET", "/limits/changes")
    assert shown == public, "everybody sees it"
    office.clock.advance(72 * HOUR - 1)
    assert limits(office)["basis", basis, "day"][1] == 100
    office.clock.advance(1)
    assert limits(office)["basis", basis, "day"][1] == 5000
    assert office.do(None, "GET", "/limits/changes")[0]["state"] == "in-force"


def test_a_lower_limit_takes_two_and_is_in_force_at_once(office: Office) -> None:
    office.basis()
    change = office.do("admin", "POST", "/limits/changes", level="network", window="month", value=10)
    assert limits(office)["network", 0, "month"][1] == 5000
    assert office.do("admin-2", "POST", f"/limits/changes/{change['id']}/agree")["state"] == "in-force"
    assert limits(office)["network", 0, "month"][1] == 10


def test_a_raise_can_be_taken_back_by_one_until_it_is_in_force(office: Office) -> None:
    office.basis()
    change = office.do("admin", "POST", "/limits/changes", level="network", window="day", value=900)
    for who in ("approver", "reviewer"):
        office.do(who, "POST", f"/limits/changes/{change['id']}/agree")
    withdraw = f"/limits/changes/{change['id']}/withdraw"
    assert office.do("admin-2", "POST", withdraw)["state"] == "withdrawn"
    assert office.do("admin-2", "POST", withdraw)["state"] == "withdrawn"
    office.clock.advance(80 * HOUR)
    assert limits(office)["network", 0, "day"][1] == 500
    refused = office.call("approver-2", "POST", f"/limits/changes/{change['id']}/agree")
    assert refused.status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"level": "network", "window": "day", "value": 0}, 422, "value: "),
        ({"level": "network", "window": "day", "value": 500}, 422, "value: expected another number than 500"),
        ({"level": "network", "window": "day", "value": 10**12}, 422, "value: "),
        ({"level": "basis", "of": 99, "window": "day", "value": 5}, 404, "expected one of the network's, got basis 99"),
        ({"level": "authority", "of": 99, "window": "day", "value": 5}, 404, "got authority 99"),
        ({"level": "network", "of": 1, "window": "day", "value": 5}, 422, "subject: expected 0 for the network"),
        ({"level": "station", "window": "day", "value": 5}, 422, "level: "),
    ],
)
def test_what_no_limit_can_be(office: Office, body: dict[str, Any], status: int, message: str) -> None:
    answer = office.call("admin", "POST", "/limits/changes", **body)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["detail"]


def test_one_change_of_a_limit_at_a_time(office: Office) -> None:
    office.do("admin", "POST", "/limits/changes", level="network", window="day", value=900)
    answer = office.call("admin-2", "POST", "/limits/changes", level="network", window="day", value=800)
    assert answer.status_code == 409
    assert "expected no other change of this limit under way" in answer.json()["detail"]
    office.do("admin-2", "POST", "/limits/changes", level="network", window="month", value=9000)


@pytest.mark.parametrize("who", ["proposer", "ops", "desk", None])
def test_who_does_not_keep_limits(office: Office, who: str | None) -> None:
    answer = office.call(who, "POST", "/limits/changes", level="network", window="day", value=900)
    assert answer.status_code == (401 if who is None else 403)


def test_no_setting_turns_limits_off(office: Office) -> None:
    names = [name for name in type(office.services.settings).model_fields if "limit" in name or "worsen" in name]
    assert names == []
    assert {(level, window) for level in Level for window in Window} == worsening.DEFAULTS.keys()
    assert all(value > 0 for value in worsening.DEFAULTS.values())


def test_the_health_office_is_an_authority(office: Office) -> None:
    names = [one["name"] for one in office.do(None, "GET", "/network")["authorities"]]
    assert HEALTH in names
    with office.services.database.reading() as session:
        assert session.scalars(select(Alarm)).all() == []


@needs_postgresql
def test_whoever_counts_keeps_nobody_from_referring_to_the_network(postgresql: Cluster, tmp_path: Path) -> None:
    """Who signs a checkpoint has the log's tree first, and refers to the network then; who approves, the other way."""
    put_on_postgresql(tmp_path, postgresql)
    with closing(open_office(tmp_path)) as office:
        database = office.services.database
        with database.changing() as counting:
            worsening.lock_network(counting, 1)
            with database.changing() as signing:
                signing.execute(text("SET LOCAL lock_timeout = '5s'"))
                lock_tree(signing, 1)
                signing.add(Person(network_id=1, reference="p-new", created_at=NOW, reassess_at=None))
                signing.flush()
            lock_tree(counting, 1)
        assert office.call("desk", "POST", "/people", reference="p-new").status_code == 200
