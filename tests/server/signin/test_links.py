"""Enrolment links: who makes one, what it opens, and that nobody else sets up how somebody signs in."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.support.console import ConsoleBrowser
from tests.support.office import NOW, Office, make_services
from tests.support.sign_in import begin_enrolment, enrol, link_for, register_passkey
from typer.testing import CliRunner

from waypass_server.application import app
from waypass_server.console import sessions
from waypass_server.console.sessions import ENROLMENT
from waypass_server.models.network import Staff
from waypass_server.models.records import Event
from waypass_server.models.sign_in import EnrolmentLink
from waypass_server.services import SetClock
from waypass_server.signin.links import LIFE
from waypass_server.tokens import hash_secret


def staff_id(office: Office, name: str) -> int:
    with office.services.database.reading() as session:
        return session.scalars(select(Staff.id).where(Staff.name == name)).one()


@pytest.mark.both_stores
def test_a_link_by_two_administrators(office: Office) -> None:
    proposer = staff_id(office, "proposer")
    asked = office.do("admin", "POST", f"/staff/{proposer}/enrolment")
    assert asked["staff"] == proposer
    confirm = f"/staff/{proposer}/enrolment/confirm"
    refused = office.call("admin", "POST", confirm)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:waypass:problem:same-person")
    made = office.do("admin-2", "POST", confirm)
    assert made["link"] == f"https://server.test/ops/enrol#code={made['code']}"
    assert office.call("admin-2", "POST", confirm).status_code == 404, "it is shown once"
    with office.services.database.reading() as session:
        row = session.scalars(select(EnrolmentLink)).one()
        whats = session.scalars(select(Event.what).order_by(Event.id.desc()).limit(2)).all()
    assert row.secret_hash == hash_secret(made["code"])
    assert whats == ["enrolment.link-made", "enrolment.asked"]
    browser = ConsoleBrowser(office)
    browser.get("/ops/enrol")
    browser.fill("/ops/enrol", code=made["code"])
    assert browser.address == "/ops/me"


def test_nobody_makes_a_link_for_themselves(office: Office) -> None:
    admin = staff_id(office, "admin")
    refused = office.call("admin", "POST", f"/staff/{admin}/enrolment")
    assert refused.json()["type"] == "urn:waypass:problem:same-person"
    office.do("admin-2", "POST", f"/staff/{admin}/enrolment")
    refused = office.call("admin", "POST", f"/staff/{admin}/enrolment/confirm")
    assert refused.json()["type"] == "urn:waypass:problem:same-person"


def test_staff_are_listed_for_administrators(office: Office) -> None:
    enrol(office, "desk")
    listed = {one["name"]: one for one in office.do("admin", "GET", "/staff")}
    assert (listed["desk"]["enrolled"], listed["ops"]["enrolled"]) == (True, False)
    assert listed["proposer"]["roles"] == ["proposer"]


@pytest.mark.parametrize("case", ["nobody", "not asked for", "left", "too late"])
def test_what_cannot_be_confirmed(office: Office, case: str) -> None:
    desk = staff_id(office, "desk")
    office.do("admin", "POST", f"/staff/{desk}/enrolment")
    if case == "nobody":
        desk = 77
        assert office.call("admin", "POST", "/staff/77/enrolment").status_code == 404
    elif case == "not asked for":
        desk = staff_id(office, "ops")
    elif case == "left":
        with office.services.change() as session:
            session.get_one(Staff, desk).left_at = NOW
    else:
        office.clock.advance(LIFE)
    assert office.call("admin-2", "POST", f"/staff/{desk}/enrolment/confirm").status_code == 404


def test_the_newest_question_counts(office: Office) -> None:
    desk = staff_id(office, "desk")
    office.do("admin", "POST", f"/staff/{desk}/enrolment")
    office.do("admin-2", "POST", f"/staff/{desk}/enrolment")
    assert office.call("admin-2", "POST", f"/staff/{desk}/enrolment/confirm").status_code == 403
    office.do("admin", "POST", f"/staff/{desk}/enrolment/confirm")


@pytest.mark.parametrize("case", ["wrong", "used", "too late", "left", "a newer one", "a staff token"])
def test_a_link_that_does_not_open(browser: ConsoleBrowser, case: str) -> None:
    office = browser.office
    code = link_for(office, "desk")
    if case == "wrong":
        code = code[:-1]
    elif case == "used":
        other = ConsoleBrowser(office)
        other.get("/ops/enrol")
        other.fill("/ops/enrol", code=code)
    elif case == "too late":
        office.clock.advance(LIFE)
    elif case == "left":
        with office.services.change() as session:
            session.get_one(Staff, staff_id(office, "desk")).left_at = NOW
    elif case == "a newer one":
        link_for(office, "desk")
    else:
        code = office.tokens["desk"]
    browser.get("/ops/enrol")
    assert browser.fill("/ops/enrol", code=code).status_code == 401
    assert "This link cannot be used" in browser.text()
    assert code not in browser.page.text


def test_wrong_links_make_a_place_wait(browser: ConsoleBrowser) -> None:
    browser.get("/ops/enrol")
    for _ in range(10):
        assert browser.fill("/ops/enrol", code="wpe_x").status_code == 401
    assert browser.fill("/ops/enrol", code=link_for(browser.office, "desk")).status_code == 429


def test_a_session_of_a_link_sets_up_a_sign_in_and_does_nothing_else(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "everything")
    for address in ("/ops/", "/ops/entries", "/ops/desk", "/ops/withdrawals/new", "/ops/push"):
        assert browser.get(address).url.path == "/ops/me", address
    csrf = browser.form("/ops/sign-out").fields
    for address in ("/ops/desk/code", "/ops/withdrawals/new", "/ops/me/tokens"):
        assert browser.post(address, csrf, follow=False).headers["location"] == "/ops/me"
    stream = browser.get("/ops/push/events", accept="text/event-stream")
    assert stream.url.path == "/ops/me"


def test_a_session_of_a_link_lasts_an_hour(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "desk")
    for _ in range(4):
        browser.office.clock.advance(ENROLMENT // 4 - 1)
        assert browser.get("/ops/me").url.path == "/ops/me"
    browser.office.clock.advance(4)
    assert browser.get("/ops/me").url.path == "/ops/sign-in"


def test_what_somebody_had_ends_when_a_link_is_used_and_not_before(browser: ConsoleBrowser) -> None:
    office = browser.office
    desk = enrol(office, "desk")
    desk.sign_in(browser)
    register_passkey(browser)
    browser.get("/ops/me")
    browser.fill("/ops/me/tokens", label="script", roles="desk", days="9")
    token = browser.page.text.partition('<code class="key">')[2].partition("<")[0]
    link_for(office, "desk")
    assert browser.get("/ops/").url.path == "/ops/"
    office.tokens["script"] = token
    office.do("script", "GET", "/tokens")

    begin_enrolment(ConsoleBrowser(office), "desk")
    assert browser.get("/ops/").url.path == "/ops/sign-in"
    assert office.call("script", "GET", "/tokens").status_code == 401
    office.clock.advance(30)
    assert desk.sign_in(browser) == 401
    assert office.call("desk", "POST", "/people", reference="p-1").status_code == 401, "the staff token stays void"


def test_an_enrolment_that_is_complete_says_so(browser: ConsoleBrowser) -> None:
    begin_enrolment(browser, "desk")
    assert "Go to the sign-in" not in browser.text()
    register_passkey(browser)
    assert "You can sign in now with what you have set up." in browser.text()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The settings of a network with one person at its desk, and one who has left."""
    file, network = tmp_path / "server.toml", tmp_path / "network.toml"
    file.write_text('network = "metro"\norigin = "https://ops.example.org"\n', encoding="utf-8")
    lines = "".join(
        f'[[staff]]\nname = "{name}"\ndesk = "Central"\nroles = ["desk"]\nleft = {left}\n'
        for name, left in (("Ada", "false"), ("Bob", "true"))
    )
    network.write_text(f'name = "metro"\n{lines}', encoding="utf-8")
    for command in (["migrate"], ["network", "apply", str(network)]):
        assert CliRunner().invoke(app, [*command, "--config", str(file)]).exit_code == 0
    return file


def test_the_command_makes_a_link(config: Path) -> None:
    done = CliRunner().invoke(app, ["network", "enrol", "Ada", "--config", str(config), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["link"] == f"https://ops.example.org/ops/enrol#code={said['code']}"
    services = make_services(config.parent, clock=SetClock(said["ends_at"] - 1))
    secret = sessions.enrol(services, secret=said["code"], source="here", before=None)
    found = sessions.find(services, secret)
    assert found is not None
    assert (found.name, found.enrolling) == ("Ada", True)
    services.database.close()


def test_the_command_says_it_in_words(config: Path) -> None:
    done = CliRunner().invoke(app, ["network", "enrol", "Ada", "--config", str(config)])
    words = (
        r"link for Ada \(shown once, works once, for three days\): https://ops.example.org/ops/enrol#code=wpe_\S{43}\n"
    )
    assert re.fullmatch(words, done.output)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mallory", "staff: expected somebody who works for metro, got 'mallory'"),
        ("Bob", "staff: expected somebody who works for metro, 'Bob' has left"),
    ],
)
def test_the_command_knows_who_works_there(config: Path, name: str, words: str) -> None:
    done = CliRunner().invoke(app, ["network", "enrol", name, "--config", str(config)])
    assert str(done.exception) == words


# At the console


def test_two_administrators_at_the_console(browser: ConsoleBrowser) -> None:
    office = browser.office
    desk = staff_id(office, "desk")
    browser.sign_in("admin")
    browser.get("/ops/staff")
    assert "desk desk service desk · has set up no sign-in yet" in browser.text()
    browser.fill(f"/ops/staff/{desk}/ask")
    assert "Asked for. It waits for a second administrator." in browser.text()
    assert "admin has asked for a link. waits for another administrator" in browser.text()
    csrf = browser.form("/ops/sign-out").fields
    assert browser.post(f"/ops/staff/{desk}/confirm", csrf).status_code == 403
    assert "Another person is needed." in browser.text()
    second = ConsoleBrowser(office)
    second.sign_in("admin-2")
    second.get("/ops/staff")
    second.fill(f"/ops/staff/{desk}/confirm")
    found = re.search(r"https://server\.test/ops/enrol#code=(wpe_\S{43})<", second.page.text)
    assert found
    person = ConsoleBrowser(office)
    person.get("/ops/enrol")
    person.fill("/ops/enrol", code=found[1])
    register_passkey(person)
    second.get("/ops/staff")
    assert "desk desk service desk · passkey" in second.text()


def test_nobody_asks_for_themselves_at_the_console(browser: ConsoleBrowser) -> None:
    browser.sign_in("admin")
    browser.get("/ops/staff")
    admin = staff_id(browser.office, "admin")
    assert f"/ops/staff/{admin}/ask" not in [form.action for form in browser.forms()]
    csrf = browser.form("/ops/sign-out").fields
    assert browser.post(f"/ops/staff/{admin}/ask", csrf).status_code == 403
