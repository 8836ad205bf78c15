"""The public pages: what they tell, in both languages, and what they never do."""

import random
import re
from pathlib import Path

import pytest
from tests.support.office import DAY, HEALTH, NOW, RIDE, Office, basis_form

from waypass_server import worsening
from waypass_server.few import FEW, few
from waypass_server.life import Actor, Kind
from waypass_server.models.lists_of_people import Basis, Effect
from waypass_server.models.worsening import Level
from waypass_server.public import figures
from waypass_server.public.figures import Row, merged
from waypass_server.public.pages import KEPT
from waypass_server.public.words import CHINESE, ENGLISH

TEMPLATES = Path(figures.__file__).parent / "templates"
PLACES = re.compile(r"\{\w+\}")


def page(office: Office, address: str, **headers: str) -> str:
    answer = office.send("GET", address, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def listed(office: Office, count: int, *, basis: int, effect: str = "red", first: int = 0) -> list[int]:
    """So many people with an entry in effect."""
    made = []
    for number in range(first, first + count):
        person = office.person(f"p-{number}")
        made.append(office.entry(person, basis, effect=effect, scopes=[RIDE]))
        office.do("approver", "POST", f"/entries/{made[-1]}/approve")
    office.later()
    office.later(2 * 3600)
    return made


def look(office: Office) -> figures.Figures:
    with office.services.database.reading() as session:
        return figures.look(session, 1, office.services.now())


@pytest.mark.parametrize(("count", "told"), [(0, 0), (1, None), (4, None), (5, 5), (1000, 1000)])
def test_few_are_not_told(count: int, told: int | None) -> None:
    assert few(count) == told


@pytest.mark.parametrize(
    ("name", "counts", "rows", "total"),
    [
        ("nothing", {}, [], 0),
        ("zeros", {"a": 0}, [], 0),
        ("all large", {"a": 7, "b": 9}, [("b", 9), ("a", 7)], 16),
        ("two small ones together", {"a": 9, "b": 2, "c": 3}, [("a", 9), (None, 5)], 14),
        ("one small one", {"a": 9, "b": 7, "c": 2}, [("a", 9), (None, 9)], 18),
        ("one small one of two", {"a": 9, "b": 2}, [(None, 11)], 11),
        ("small ones alone", {"a": 1, "b": 2}, [(None, None)], None),
    ],
)
def test_small_rows_are_merged(
    name: str, counts: dict[str, int], rows: list[tuple[str | None, int | None]], total: int | None
) -> None:
    table = merged(Row(name=key, count=count) for key, count in counts.items())
    assert [(row.name, row.count) for row in table.rows] == rows, name
    assert table.total == total


def test_no_table_gives_a_small_number_away() -> None:
    """Whatever the counts: nothing that is shown is 1 to 4, and neither is what is missing in a sum."""
    draw = random.Random(3)
    for _ in range(500):
        counts = [draw.randrange(0, 12) for _ in range(draw.randrange(0, 7))]
        table = merged(Row(name=str(key), count=count) for key, count in enumerate(counts))
        shown = [row.count or 0 for row in table.rows if row.count is not None]
        assert all(count >= FEW for count in shown)
        assert table.total == few(sum(counts))
        assert sum(shown) == (table.total or 0), "nothing is missing that could be worked out"


def test_figures_of_a_network(office: Office) -> None:
    health, other = office.basis(), office.basis(title="Rabies")
    entries = listed(office, 6, basis=health)
    listed(office, 2, basis=other, first=6)
    for number in range(5):
        objection = office.do(f"p-{number}", "POST", f"/me/entries/{entries[number]}/objection", text="No.")["id"]
        office.later(3600)
        office.do("reviewer", "POST", f"/objections/{objection}/decide", lift=False, answer="It stands.")
    found = look(office)
    assert (found.population, found.listed, found.share) == (8, 8, 1.0)
    assert [(row.name, row.detail, row.count) for row in found.by_basis[Effect.RED].rows] == [
        (None, "", 8),
    ]
    assert found.by_basis[Effect.RED].total == 8
    assert found.by_basis[Effect.YELLOW].rows == ()
    assert [(row.name, row.count) for row in found.objections.rows] == [("upheld", 5)]
    assert (found.typical_decision, found.slow_decision) == (3600, 3600)
    assert len(found.months) == 12
    assert [month.count for month in found.months[:-1]] == [0] * 11
    assert found.months[-1].count == 5, "rounded down"


def test_a_small_table_withholds_the_sum_beside_it(office: Office) -> None:
    basis = office.basis()
    listed(office, 6, basis=basis)
    listed(office, 2, basis=basis, effect="yellow", first=6)
    found = look(office)
    shown = [(row.name, row.detail, row.count) for row in found.by_basis[Effect.RED].rows]
    assert shown == [("Infection protection", HEALTH, 6)]
    assert [(row.name, row.count) for row in found.by_basis[Effect.YELLOW].rows] == [(None, None)]
    assert (found.listed_withheld, found.share) == (True, None)
    assert "not told: it would tell a small number" in page(office, "/public/figures?lang=en")


def test_the_page_tells_numbers_and_nobody(office: Office) -> None:
    listed(office, 6, basis=office.basis())
    text = page(office, "/public/figures?lang=en")
    assert "Red entries in effect, by basis" in text
    assert "Infection protection" in text
    assert re.search(r'<td class="count">6</td>', text)
    for secret in ("p-0", "H-2027-11", "laboratory", "Central"):
        assert secret not in text


def counted(office: Office, people: int, *, basis: int, ago: int = 0) -> None:
    """As if so many people had been worsened on a basis, so long ago."""
    actor, at = Actor(kind=Kind.SYSTEM), office.services.now() - ago
    with office.services.change() as session:
        worsening.count(session, session.get_one(Basis, basis), people, actor=actor, now=at)


@pytest.mark.both_stores
@pytest.mark.parametrize(
    ("people", "told", "passed"),
    [(0, 0, False), (1, None, False), (4, None, False), (5, 5, False), (99, 95, False), (101, 100, True)],
)
def test_how_near_a_limit_is_is_told_in_fives(office: Office, people: int, told: int | None, passed: bool) -> None:
    basis = office.basis()
    if people:
        counted(office, people, basis=basis)
    rows = {(row.level, row.name.name): row for row in look(office).limits.rows}
    mine = rows[Level.BASIS, "Infection protection"]
    assert (mine.name.detail, mine.day.limit, mine.month.limit) == (HEALTH, 100, 1000)
    assert (mine.day.people, mine.day.passed) == (told, passed)
    assert (mine.month.people, mine.month.passed) == (told, False)
    assert rows[Level.AUTHORITY, HEALTH].day.people == told
    assert rows[Level.NETWORK, None].day.people == told
    assert rows[Level.AUTHORITY, "Court office"].day.people == 0


def test_that_a_low_limit_is_passed_tells_no_small_number(office: Office) -> None:
    basis = office.basis()
    change = office.do("admin", "POST", "/limits/changes", level="basis", of=basis, window="day", value=1)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{change}/agree")
    counted(office, 2, basis=basis)
    shown = look(office).limits
    (mine,) = (row for row in shown.rows if row.level is Level.BASIS)
    assert (mine.day.limit, mine.day.people, mine.day.passed) == (1, None, False)
    assert [(one.people, one.limit) for one in shown.alarms] == [(None, 1)]
    assert "fewer than 5 people where 1 may be, in 24 hours" in page(office, "/public/figures?lang=en")


@pytest.mark.both_stores
def test_the_days_of_the_network(office: Office) -> None:
    basis, today = office.basis(), NOW - NOW % DAY
    for ago, people in ((0, 3), (DAY, 12), (29 * DAY, 60), (30 * DAY, 70)):
        counted(office, people, basis=basis, ago=ago)
    shown = look(office).limits
    assert len(shown.days) == 30
    assert {(day.starts - today) // DAY: day.people for day in shown.days if day.people != 0} == {
        0: None,
        -1: 10,
        -29: 60,
    }
    assert (shown.day_limit, shown.highest) == (500, 500)
    text = page(office, "/public/figures?lang=en")
    assert "beside the limit of 500 in 24 hours" in text
    assert "on the highest 60" in text


def test_the_page_says_how_near_the_limits_are(office: Office) -> None:
    counted(office, 107, basis=office.basis())
    text = page(office, "/public/figures?lang=en")
    for words in ("<b>passed: more than 100</b>", "105 of 500", "105 of 200", "0 of 2,000"):
        assert words in text, words
    assert "107 people where 100 may be, in 24 hours" in text
    assert "2027-01-15 08:00 UTC" in text
    chinese = page(office, "/public/figures?lang=zh")
    for words in ("已超过:多于 100", "105 / 500", "107 人,限额为 100, 24 小时内"):
        assert words in chinese, words


def test_nobody_was_worsened_and_no_limit_passed(office: Office) -> None:
    text = page(office, "/public/figures?lang=en")
    for words in (
        "Nobody was worsened in the last 30 days.",
        "No limit was ever passed.",
        "No limit was ever changed.",
    ):
        assert words in text, words


def test_who_raised_a_limit_is_said_in_words(office: Office) -> None:
    basis = office.basis()
    change = office.do("admin", "POST", "/limits/changes", level="basis", of=basis, window="day", value=5000)["id"]
    for who in ("health-approver", "reviewer"):
        office.do(who, "POST", f"/limits/changes/{change}/agree")
    other = office.do("admin", "POST", "/limits/changes", level="network", window="month", value=900)["id"]
    office.do("admin-2", "POST", f"/limits/changes/{other}/withdraw")
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page(office, "/public/figures?lang=en")))
    assert "Infection protection Health office in 24 hours raised from 100 to 5,000" in text
    assert "public, in force from 2027-01-18 08:00 UTC" in text
    assert "an approver · Health office agreed 2027-01-15 08:00 UTC a reviewer" in text
    assert "the whole network in 30 days lowered from 5,000 to 900 taken back at 2027-01-15 08:00 UTC" in text
    for code in ("limit.", "proposed_by", "health-approver", "in_force_at"):
        assert code not in text
    assert "由 100 提高到 5,000" in page(office, "/public/figures?lang=zh")


def test_a_basis_that_never_was_in_force_is_not_shown(office: Office) -> None:
    office.do("proposer", "POST", "/bases", **basis_form(title="Secret plans"))
    office.basis(title="Rabies")
    office.do("proposer", "POST", "/bases/2/versions", **basis_form(authority=None, title="Secret changes"))
    assert [row.name.name for row in look(office).limits.rows if row.level is Level.BASIS] == ["Rabies"]
    assert "Secret" not in page(office, "/public/figures?lang=en")


def test_a_look_is_kept_for_a_minute(office: Office) -> None:
    before = page(office, "/public/figures?lang=en")
    for number in range(FEW):
        office.person(f"p-{number}")
    office.clock.advance(KEPT - 1)
    assert page(office, "/public/figures?lang=en") == before
    office.clock.advance(1)
    assert page(office, "/public/figures?lang=en") != before


def test_the_register(office: Office) -> None:
    office.basis()
    office.later()
    text = page(office, "/public/register?lang=en")
    for shown in (
        "Health office",
        "Court office",
        "tel 555-0100",
        "Act 7, section 3",
        "hospital",
        "essential: red",
    ):
        assert shown in text, shown
    for key in office.services.keys.all():
        assert key.kid in text
    assert "waypass/1/metro/log+" in text
    assert "— waypass/1/metro/log " in text
    assert "proposer" not in text, "no member of staff"


def test_a_retired_key_stays_in_the_register(office: Office) -> None:
    office.later(500 * DAY)
    assert page(office, "/public/register?lang=en").count("<dd>over</dd>") == 3


@pytest.mark.parametrize("name", ["figures", "register"])
@pytest.mark.parametrize(
    ("address", "accepts", "language"),
    [
        ("?lang=zh", "en", "zh"),
        ("?lang=en", "zh", "en"),
        ("", "zh-CN,zh", "zh"),
        ("", "", "en"),
        ("?lang=xx", "", "en"),
    ],
)
def test_both_languages(office: Office, name: str, address: str, accepts: str, language: str) -> None:
    text = page(office, f"/public/{name}{address}", **{"Accept-Language": accepts})
    assert f'<html lang="{language}">' in text
    assert {"en": ENGLISH, "zh": CHINESE}[language]["title_" + name] in text


def test_both_languages_have_the_same_words() -> None:
    assert ENGLISH.keys() == CHINESE.keys()
    assert not set(dir(ENGLISH)) & set(ENGLISH), "a template would find the table's own attribute"
    for name, text in ENGLISH.items():
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(CHINESE[name])), name


def test_no_word_is_left_over() -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in TEMPLATES.iterdir())
    by_value = re.compile(r"use_|state_|title_|change_|role_|^(red|yellow|grant|open|upheld|lifted|lapsed|moot)$")
    assert [name for name in ENGLISH if f"words.{name}" not in used and not by_value.search(name)] == []


def test_strict_headers_and_no_cookie(office: Office) -> None:
    for address in ("/public", "/public/figures", "/public/register", "/public/public.css"):
        answer = office.send("GET", address)
        assert answer.is_success or answer.headers["location"] == "/public/figures"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers
    assert "<script" not in page(office, "/public/figures")
    assert NOW > 0
