"""The words of the station's page: every text has its translation, and the catalogue is the one that was compiled."""

import gettext
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from waypass_protocol.messages import LaneState
from waypass_protocol.reasons import OverrideReason
from waypass_reader.station import words
from waypass_reader.station.board import Contact
from waypass_reader.station.gates import Opened
from waypass_reader.station.words import DOMAIN, LOCALE, Speech
from waypass_reader.words import Language

CATALOGUES = {
    language: LOCALE / language.value / "LC_MESSAGES" / f"{DOMAIN}.po"
    for language in Language
    if language is not Language.ENGLISH
}
TEMPLATES = Path(words.__file__).with_name("templates")


def texts() -> Iterator[str]:
    """Every text of the module; of one that counts something the first form, by which it is found."""
    for name, value in vars(words).items():
        if name.isupper() and name != "DOMAIN":
            match value:
                case str():
                    yield value
                case (str(one), str()):
                    yield one
                case Mapping():
                    yield from value.values()


@pytest.mark.parametrize("path", CATALOGUES.values(), ids=CATALOGUES)
def test_the_catalogue_is_compiled_from_the_translations(path: Path) -> None:
    with path.open("rb") as file:
        catalogue = read_po(file)
    made = io.BytesIO()
    write_mo(made, catalogue)
    assert not [message.id for message in catalogue if message.fuzzy and message.id]
    assert path.with_suffix(".mo").read_bytes() == made.getvalue(), "compile it anew, as the first line of the .po says"


@pytest.mark.parametrize("path", CATALOGUES.values(), ids=CATALOGUES)
def test_every_text_is_translated_and_nothing_else_is(path: Path) -> None:
    with path.open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    known = {message.id[0] if message.pluralizable else message.id for message in messages}
    assert known == set(texts())
    assert all("".join(message.string or ()) for message in messages)


@pytest.mark.parametrize("language", list(CATALOGUES))
@pytest.mark.parametrize("text", sorted(set(texts())))
def test_a_translation_names_the_same_values(text: str, language: Language) -> None:
    catalogue = gettext.translation(DOMAIN, LOCALE, [language.value])
    values = re.compile(r"\{\w+\}")
    if text == words.PEOPLE[0]:
        assert values.findall(catalogue.ngettext(*words.PEOPLE, 7)) == ["{n}"]
    else:
        assert sorted(values.findall(catalogue.gettext(text))) == sorted(values.findall(text))


@pytest.mark.parametrize(
    ("table", "members"),
    [
        (words.LANE_STATES, {*LaneState, None}),
        (words.CONTACTS, set(Contact)),
        (words.OVERRIDE_REASONS, set(OverrideReason)),
        (words.ANSWERS, set(Opened)),
    ],
)
def test_each_member_has_words_of_its_own(table: Mapping[object, str], members: set[object]) -> None:
    assert set(table) == members
    assert len(set(table.values())) == len(members)


def test_the_templates_use_every_fixed_word() -> None:
    used = {
        name for path in TEMPLATES.glob("*.html") for name in re.findall(r"\$(\w+)", path.read_text(encoding="utf-8"))
    }
    assert used - {"language", "languages", "dir", "station", "reasons"} == set(words.PAGE)


def test_a_reader_s_own_page_has_the_same_words_but_for_the_station_box() -> None:
    assert set(words.OF_ONE_READER) == set(words.PAGE)
    differing = {name for name, text in words.OF_ONE_READER.items() if text != words.PAGE[name]}
    assert differing == {
        *(name for name, text in words.PAGE.items() if "station box" in text),
        *("lost_text", "sign_in_title"),
    }


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (59, "59 s", "59 秒"),
        (60, "1 min", "1 分钟"),
        (3599, "59 min", "59 分钟"),
        (3660, "1 h 1 min", "1 小时 1 分钟"),
        (90_000, "1 d 1 h", "1 天 1 小时"),
    ],
)
def test_about_how_long(seconds: int, english: str, chinese: str) -> None:
    assert Speech(Language.ENGLISH).duration(seconds) == english
    assert Speech(Language.CHINESE).duration(seconds) == chinese


@pytest.mark.parametrize(
    ("n", "english", "chinese"),
    [
        (0, "0 people a minute", "每分钟 0 人"),
        (1, "1 person a minute", "每分钟 1 人"),
        (2, "2 people a minute", "每分钟 2 人"),
    ],
)
def test_how_many(n: int, english: str, chinese: str) -> None:
    assert Speech(Language.ENGLISH).count(words.PEOPLE, n) == english
    assert Speech(Language.CHINESE).count(words.PEOPLE, n) == chinese


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "لا أحد في الدقيقة"),
        (1, "شخص واحد في الدقيقة"),
        (2, "شخصان في الدقيقة"),
        (3, "3 أشخاص في الدقيقة"),
        (11, "11 شخصًا في الدقيقة"),
        (100, "100 شخص في الدقيقة"),
    ],
)
def test_how_many_in_arabic_which_has_six_forms(n: int, said: str) -> None:
    assert Speech(Language.ARABIC).count(words.PEOPLE, n) == said
