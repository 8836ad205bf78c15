"""The public pages: what they tell, in both languages, and what they never do."""

import random
import re
from pathlib import Path

import pytest
from tests.support.office import DAY, HEALTH, NOW, RIDE, Office

from waypass_server.models.lists_of_people import Effect
from waypass_server.public import figures
from waypass_server.public.figures import FEW, Row, few, merged
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
    by_value = re.compile(r"use_|state_|title_|^(red|yellow|grant|open|upheld|lifted|lapsed|moot)$")
    assert [name for name in ENGLISH if f"words.{name}" not in used and not by_value.search(name)] == []


def test_strict_headers_and_no_cookie(office: Office) -> None:
    for address in ("/public", "/public/figures", "/public/register", "/public/public.css"):
        answer = office.send("GET", address)
        assert answer.is_success or answer.headers["location"] == "/public/figures"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "set-cookie" not in answer.headers
    assert "<script" not in page(office, "/public/figures")
    assert NOW > 0
