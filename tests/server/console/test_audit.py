"""The audit trail at the console: who did what, filtered, paged, and where it is in the public log."""

import re

import pytest
from tests.support.console import ConsoleBrowser
from tests.support.office import COURT, DAY, NOW, Office

from waypass_protocol.logproofs import read_proof_file
from waypass_server.console.pages import audit

pytestmark = pytest.mark.both_stores


@pytest.fixture
def reading(browser: ConsoleBrowser, office: Office) -> ConsoleBrowser:
    """An auditor; an entry is in effect on a basis of the health office."""
    office.person()
    office.entry_in_effect("p-1", office.basis())
    browser.sign_in("admin")
    return browser


def kinds(browser: ConsoleBrowser) -> list[str]:
    """What each line is about, from the top."""
    return re.findall(r'<span class="what"><b>([^<]+)</b>', browser.page.text)


def test_the_newest_first_with_who_did_it(reading: ConsoleBrowser) -> None:
    reading.get("/ops/log")
    found = kinds(reading)
    assert found[0] == "Signed in at the console"
    for earlier, later in [
        ("An entry was proposed", "An entry was approved"),
        ("An entry was approved", "The notice of an entry was delivered"),
        ("The notice of an entry was delivered", "An entry took effect"),
    ]:
        assert found.index(later) < found.index(earlier)
    text = reading.text()
    assert re.search(r"An entry was approved entry 1 \S+ \S+ UTC · approver ·", text) is not None
    assert re.search(r"An entry took effect entry 1 \S+ \S+ UTC · by itself ·", text) is not None
    assert "p-1" not in text, "a reference is nowhere in the log"
    assert "Passes were issued" not in text


def test_each_change_leads_to_its_proof(reading: ConsoleBrowser) -> None:
    reading.office.later(120)
    reading.get("/ops/log?kind=entry")
    links = re.findall(r'href="(/log/proof/inclusion\?index=\d+)"', reading.page.text)
    assert len(links) == len(kinds(reading)) == 4
    for link in links:
        answer = reading.office.send("GET", link)
        assert answer.status_code == 200
        read_proof_file(answer.content)


def test_what_no_checkpoint_has_says_so(reading: ConsoleBrowser) -> None:
    reading.office.later(120)
    reading.office.entry("p-1", 1)
    reading.get("/ops/log?kind=entry")
    first = reading.text().partition("An entry was proposed")[2].partition("An entry took effect")[0]
    assert "proof after the next checkpoint" in first


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("kind=basis", {"A basis was proposed", "A basis was put in force"}),
        ("kind=limit", set()),
        ("kind=nothing-of-the-sort&authority=99", set()),
        ("kind=person", {"A person was registered", "A desk code was made", "A wallet was set up"}),
    ],
)
def test_filters(reading: ConsoleBrowser, address: str, expected: set[str]) -> None:
    reading.get(f"/ops/log?{address}")
    assert set(kinds(reading)) == expected
    assert ("Nothing in the log is like that." in reading.text()) is (not expected)


def test_what_is_about_an_authority_or_done_by_its_staff(reading: ConsoleBrowser) -> None:
    office = reading.office
    office.do("proposer-2", "POST", "/bases", **_court_basis())
    reading.get("/ops/log")
    offered = re.findall(r'<option value="(\d+)">([^<]+ office)</option>', reading.page.text)
    numbers = {name: number for number, name in offered}
    reading.get(f"/ops/log?authority={numbers[COURT]}")
    assert kinds(reading) == ["A basis was proposed"]
    reading.get(f"/ops/log?authority={numbers['Health office']}")
    assert "An entry was approved" in kinds(reading), "by the network's staff, about their entry"
    assert kinds(reading).count("A basis was proposed") == 1


def _court_basis() -> dict[str, object]:
    return {
        "authority": COURT,
        "title": "Court order",
        "citation": "Act 1",
        "health": False,
        "effects": ["yellow"],
        "scopes": [1],
        "longest": 30 * DAY,
        "notice": 2 * 3600,
        "objection_deadline": 10 * DAY,
        "exclusions": [],
    }


def test_days(reading: ConsoleBrowser) -> None:
    assert NOW == 1_800_000_000  # 2027-01-15T08:00Z
    reading.get("/ops/log?kind=entry&since=2027-01-15&until=2027-01-15")
    assert len(kinds(reading)) == 4
    reading.get("/ops/log?kind=entry&since=2027-01-16")
    assert kinds(reading) == []
    reading.get("/ops/log?kind=entry&until=2027-01-14")
    assert kinds(reading) == []


def test_a_day_that_is_none_is_said_at_its_field(reading: ConsoleBrowser) -> None:
    answer = reading.get("/ops/log?since=yesterday")
    assert answer.status_code == 422
    assert "Write a day such as 2027-01-15." in reading.page.text.partition('id="since-error"')[2].partition("</p>")[0]


def test_pages(reading: ConsoleBrowser) -> None:
    office = reading.office
    for number in range(audit.PAGE + 5):
        office.do("desk", "POST", "/people", reference=f"q-{number}")
    reading.get("/ops/log?kind=person")
    first = kinds(reading)
    assert len(first) == audit.PAGE
    (older,) = re.findall(r'href="(/ops/log\?[^"]*before=\d+)"', reading.page.text)
    reading.get(older.replace("&amp;", "&"))
    assert len(kinds(reading)) == 5 + 3
    assert "Older ones" not in reading.text()


@pytest.mark.parametrize(("who", "link"), [("admin", False), ("reviewer", True)])
def test_records_lead_to_the_pages_that_one_may_open(
    browser: ConsoleBrowser, office: Office, who: str, link: bool
) -> None:
    office.person()
    office.entry("p-1", office.basis())
    browser.sign_in(who)
    browser.get("/ops/log")
    assert ('href="/ops/entries/1"' in browser.page.text) is link
    assert 'href="/ops/bases/1/1"' in browser.page.text
