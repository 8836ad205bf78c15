"""The console's words: every one translated and compiled, with the same places for values; durations and times."""

import gettext
import io
import re

import pytest
from babel.messages.pofile import read_po
from scripts.console_words import faults, mo_bytes, read_template

from waypass_server.console.event_words import EVENTS, RECORDS, SUBJECTS
from waypass_server.console.rendering import DONE
from waypass_server.console.words import DOMAIN, LANGUAGES, LOCALE, NEVER, REFUSALS, TABLE, Speech, preferred
from waypass_server.life import RULES, Action
from waypass_server.models.lists_of_people import Exclusion
from waypass_server.models.rules import ProposalState
from waypass_server.refusals import Problem

SERVER = LOCALE.parents[1]
OTHER_TEXTS = {"staff.id"}
"""Names of columns that look like names of events."""
CATALOGUES = sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
PLACES = re.compile(r"%\(\w+\)s|\{\w+\}|</?\w+>")


def test_every_language_but_english_has_a_catalogue() -> None:
    assert [path.parents[1].name for path in CATALOGUES] == [each for each in LANGUAGES if each != "en"]


def test_the_catalogues_have_the_texts_of_the_code_translated_and_compiled() -> None:
    assert list(faults()) == []


def test_the_extractor_finds_what_templates_and_tables_say() -> None:
    found = {each.id if isinstance(each.id, str) else each.id[0] for each in read_template() if each.id}
    for text in (
        "Sign in",
        "%(number)s day",
        "At most %(span)s.",
        "Nobody here has this reference. Check every character.",
    ):
        assert text in found
    assert {*DONE.values(), *REFUSALS.values(), *(text for words in TABLE.values() for text in words.values())} <= found


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parents[1].name)
def test_a_translation_keeps_the_places_for_values(path: object) -> None:
    for catalogue in CATALOGUES:
        with catalogue.open("rb") as file:
            for each in read_po(file):
                texts = each.string if isinstance(each.string, tuple) else (each.string,)
                source = each.id if isinstance(each.id, str) else each.id[-1]
                for text in texts if each.id else ():
                    assert sorted(PLACES.findall(str(text))) == sorted(PLACES.findall(source)), source


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parents[1].name)
def test_the_compiled_catalogue_says_what_the_written_one_does(path: object) -> None:
    for catalogue in CATALOGUES:
        with catalogue.open("rb") as file:
            written = read_po(file)
        again = gettext.GNUTranslations(io.BytesIO(mo_bytes(written)))
        shipped = gettext.translation(DOMAIN, LOCALE, [catalogue.parents[1].name])
        for each in written:
            if isinstance(each.id, str) and each.id:
                assert again.gettext(each.id) == shipped.gettext(each.id) == each.string


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_member_of_a_closed_set_has_a_word(language: str) -> None:
    speech = Speech(language)
    for kind, words in TABLE.items():
        assert words.keys() == set(kind), kind
        for member in kind:
            assert speech.word(member)
    assert NEVER.keys() == set(Exclusion)


def test_every_refusal_has_a_heading() -> None:
    names = set()
    waiting = [Problem]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        names.add(kind.name)
    speech = Speech("en")
    assert all(speech.problem(name) for name in names)
    assert speech.problem("same-person") == "Another person is needed."
    assert speech.problem("nobody thought of it") == "This cannot be used."


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0, "0 s", "0 秒"),
        (0.183, "0.18 s", "0.18 秒"),
        (1, "1 s", "1 秒"),
        (59.4, "59 s", "59 秒"),
        (60, "1 min", "1 分钟"),
        (3599, "59 min 59 s", "59 分钟 59 秒"),
        (3601, "1 h", "1 小时"),
        (7260, "2 h 1 min", "2 小时 1 分钟"),
        (86_400, "1 day", "1 天"),
        (10 * 86_400 + 3600, "10 days 1 h", "10 天 1 小时"),
        (90 * 86_400 + 59, "90 days", "90 天"),
    ],
)
def test_durations(seconds: float, english: str, chinese: str) -> None:
    assert (Speech("en").duration(seconds), Speech("zh").duration(seconds)) == (english, chinese)


def test_times_for_programs_and_for_people_without_script() -> None:
    speech = Speech("en")
    assert (speech.iso(1_800_000_000.9), speech.utc(1_800_000_000)) == ("2027-01-15T08:00:00Z", "2027-01-15 08:00 UTC")
    assert (speech.ago(100, 95), speech.ago(100, 101)) == ("5 s", "0 s")


@pytest.mark.parametrize(
    ("accepted", "language"), [("zh-TW", "zh"), ("de, en;q=0.8, zh", "en"), ("ZH", "zh"), ("", "en")]
)
def test_the_language_of_a_browser(accepted: str, language: str) -> None:
    assert preferred(accepted) == language


def test_every_event_that_the_server_writes_has_words() -> None:
    """Found as texts in the code; `entry.` and the like before a member of a closed set are put together here."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(SERVER.rglob("*.py")))
    written = {
        each for each in re.findall(r'"([a-z][a-z-]+\.(?!html)[a-z-]+)"', source) if each.partition(".")[0] in RECORDS
    }
    written |= {"console.signed-in", "desk-code.made", "wallet.enrolled", "passes.issued", "paper-pass.issued"}
    written |= {f"entry.{action.value}" for action in Action if RULES[action].end is not None}
    written |= {f"rule-proposal.{state.value}" for state in ProposalState if state is not ProposalState.OPEN}
    written |= {f"objection.{each}" for each in ("lifted", "upheld")}
    written |= {f"{each}.added" for each in ("network", "scope", "authority", "staff")}
    assert written - EVENTS.keys() - OTHER_TEXTS == set()
    assert {each for subjects in SUBJECTS.values() for each in subjects} == RECORDS.keys()
