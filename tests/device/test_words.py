"""The table of words is complete."""

import pytest

from waypass_protocol.reasons import Outcome, Reason, Shown, outcome_of
from waypass_reader.words import IDLE, OUT_OF_ORDER, SIGNS, Language, instruction


@pytest.mark.parametrize("reason", [reason for reason in Reason if outcome_of(reason) is not Outcome.OPEN])
def test_each_reason_that_does_not_open_has_one_instruction(reason: Reason) -> None:
    words = instruction(reason)
    assert words is not None
    assert words.en.endswith(".")
    assert words.zh.endswith("。")


def test_a_gate_that_opens_asks_nothing_of_staff() -> None:
    assert instruction(Reason.GREEN) is None


def test_instructions_differ_so_that_each_says_what_to_do() -> None:
    said = [instruction(reason) for reason in Reason if reason is not Reason.GREEN]
    assert len({words.en for words in said if words}) == len({words.zh for words in said if words}) == len(said)


@pytest.mark.parametrize("aspect", list(Shown))
@pytest.mark.parametrize("language", list(Language))
def test_each_aspect_has_a_symbol_and_words(aspect: Shown, language: Language) -> None:
    assert SIGNS[aspect].symbol
    assert SIGNS[aspect].words.spoken(language)
    assert len({sign.symbol for sign in SIGNS.values()}) == len(Shown)


@pytest.mark.parametrize("words", [IDLE, OUT_OF_ORDER])
def test_a_gate_without_anybody_before_it_speaks_both_languages(words: object) -> None:
    assert getattr(words, "en", "")
    assert getattr(words, "zh", "")
