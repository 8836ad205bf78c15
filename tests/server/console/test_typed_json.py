"""JSON as it is typed into the console: what is wrong with it and where, and what logic reads."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.rule_sets import COUGH, NO_RECENT_TEST

from waypass_server.console.typed_json import Mistyped, check_logic, line_of, read_typed, reads
from waypass_server.console.words import Speech

ENGLISH, CHINESE = Speech("en"), Speech("zh")


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("a comma is missing", '{"and": [\n  true\n  false\n]}', 3, "Expecting ',' delimiter"),
        ("nothing", "", 1, "Expecting value"),
        ("cut off", '{"and":\n [true,', 2, "Expecting value"),
        ("more after it", "true\nfalse", 2, "Extra data"),
        ("a name twice", '{"and": [true, true], "and": []}', None, "expected each name once in an object"),
        ("no number", "[NaN]", None, "a number that is none"),
        ("two operations", '{\n"and": [true, true],\n"or": []\n}', 1, "expected an object with one operation, got 2"),
        ("no such operation", '{"and": [\n  true,\n  {"xor": [1, 2]}\n]}', 3, "got another operation"),
        (
            "too few operands",
            '{"if": [\n {"var": "survey"},\n {"===": [1]},\n false\n]}',
            3,
            "===: expected 2 operands",
        ),
        ("a path that is none", '[\n\n{"var": 1}]', 3, "var: expected a path as a text, got a number"),
        ("no operands", '{"and":\n true}', 1, "and: expected an array of operands, got true"),
        ("too deep", "[" * 60 + "]" * 60, 1, "expression: expected at most 40 levels, got more"),
        ("far too deep", "[" * 20_000, None, "nested too deeply"),
        ("a fraction", "[1,\n2.5]", 2, "expected an expression, got a number"),
    ],
)
def test_what_is_wrong_is_said_by_its_line(name: str, text: str, line: int | None, message: str) -> None:
    with pytest.raises(Mistyped) as caught:
        check_logic(text)
    assert caught.value.line == line
    assert message in str(caught.value)


def test_in_words_of_the_page() -> None:
    with pytest.raises(Mistyped) as caught:
        check_logic('{"and": [\n  {"if": [true]}, true]}')
    assert caught.value.words(ENGLISH) == "Line 2: if: expected 3 operands, got 1"
    assert caught.value.words(CHINESE) == "第 2 行：if：应有 3 个操作数，得到 1 个"


@pytest.mark.parametrize("logic", [COUGH, NO_RECENT_TEST, True, [1, "x"]])
def test_what_is_right_comes_back(logic: object) -> None:
    assert check_logic(json.dumps(logic, indent=2)) == logic


def test_what_logic_reads() -> None:
    assert reads(COUGH) == ("survey", "survey.cough")
    assert reads(NO_RECENT_TEST) == ("external.validationClock", "facts.test.0", "facts.test.0.sampled")
    within = {"reduce": [{"var": "facts.test"}, {"+": [{"var": "accumulator"}, {"var": "current.dose"}]}, 0]}
    assert reads(within) == ("facts.test",), "what it makes on its way is no fact"
    assert reads(True) == ()


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(TREES, st.data())
def test_the_line_of_any_part_is_found(tree: object, data: st.DataObject) -> None:
    """Each part stands on a line of its own where every value is led by a line's end."""
    path: list[str | int] = []
    part = tree
    while isinstance(part, list | dict) and part and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else list(range(len(part)))))
        path.append(step)
        part = part[step]
    text = json.dumps(tree, indent=1)
    line = text.split("\n")[line_of(text, path) - 1]
    assert json.dumps(part, indent=1).split("\n")[0] in line


def test_a_path_that_leads_nowhere_ends_at_the_last_part_that_is_there() -> None:
    text = '{\n "questions": [\n  {"id": "a"}\n ]\n}'
    assert line_of(text, ["questions", 0, "kind"]) == 3
    assert line_of(text, ["questions", 7]) == 2
    assert line_of(text, ["words", "en"]) == 1
    assert line_of("true", ["x"]) == 1


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Mistyped):
        read_typed(text)
