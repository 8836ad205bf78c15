"""The table of words is complete, in every language, and the compiled catalogue is the one that was written."""

import gettext
import io
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from scripts.reader_words import faults, mo_bytes, read_template

from waypass_protocol.reasons import Outcome, Reason, Shown, outcome_of
from waypass_reader import words as module
from waypass_reader.words import DOMAIN, IDLE, LOCALE, OUT_OF_ORDER, SIGNS, Language, Words, instruction

CATALOGUES = sorted(LOCALE.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))


@pytest.mark.parametrize("reason", [reason for reason in Reason if outcome_of(reason) is not Outcome.OPEN])
def test_each_reason_that_does_not_open_has_one_instruction(reason: Reason) -> None:
    words = instruction(reason)
    assert words is not None
    assert words.spoken(Language.ENGLISH).endswith(".")
    assert words.spoken(Language.CHINESE).endswith("。")


def test_a_gate_that_opens_asks_nothing_of_staff() -> None:
    assert instruction(Reason.GREEN) is None


@pytest.mark.parametrize("language", list(Language))
def test_instructions_differ_so_that_each_says_what_to_do(language: Language) -> None:
    said = [instruction(reason) for reason in Reason if reason is not Reason.GREEN]
    assert len({words.spoken(language) for words in said if words}) == len(said)


@pytest.mark.parametrize("aspect", list(Shown))
@pytest.mark.parametrize("language", list(Language))
def test_each_aspect_has_a_symbol_and_words(aspect: Shown, language: Language) -> None:
    assert SIGNS[aspect].symbol
    assert SIGNS[aspect].words.spoken(language)
    assert len({sign.symbol for sign in SIGNS.values()}) == len(Shown)


@pytest.mark.parametrize("words", [IDLE, OUT_OF_ORDER])
def test_a_gate_without_anybody_before_it_speaks_both_languages(words: Words) -> None:
    assert words.spoken(Language.ENGLISH) == words.en
    assert words.spoken(Language.CHINESE) != words.en


def test_a_text_that_no_catalogue_has_is_said_in_english() -> None:
    assert Words("Nobody translated this").spoken(Language.CHINESE) == "Nobody translated this"


def test_every_language_but_english_has_a_catalogue() -> None:
    assert [path.parents[1].name for path in CATALOGUES] == [
        each.value for each in Language if each is not Language.ENGLISH
    ]


def test_the_catalogues_have_the_texts_of_the_code_translated_and_compiled() -> None:
    assert list(faults()) == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parents[1].name)
def test_the_compiled_catalogue_says_what_the_written_one_does(path: Path) -> None:
    with path.open("rb") as file:
        written = read_po(file, locale=path.parents[1].name, domain=DOMAIN)
    compiled = read_mo(io.BytesIO(path.with_suffix(".mo").read_bytes()))
    said = {str(each.id): str(each.string) for each in written if each.id}
    assert {str(each.id): str(each.string) for each in compiled if each.id} == said
    again = gettext.GNUTranslations(io.BytesIO(mo_bytes(written)))
    assert {text: again.gettext(text) for text in said} == said


def test_a_translation_keeps_the_places_for_values() -> None:
    for path in CATALOGUES:
        with path.open("rb") as file:
            for each in read_po(file):
                for place in ("{lane}", "{reader}"):
                    assert (place in str(each.id)) is (place in str(each.string)), each.id


def test_every_text_of_the_module_is_found_in_the_code() -> None:
    """Otherwise the script would leave one out, and the gate would say it in English."""
    texts = {each.en for each in vars(module).values() if isinstance(each, Words)}
    texts |= {each.en for each in module.STAFF_INSTRUCTIONS.values()}
    texts |= {sign.words.en for sign in SIGNS.values()}
    assert texts <= {each.id for each in read_template()}
