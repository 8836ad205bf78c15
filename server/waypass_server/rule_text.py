"""What a version of a rule set says: its rules, and the form that asks for answers. Pure records, and their JSON.

A rule is CertLogic over one person's facts (`rules` says what it sees). Where it counts as true, it gives what `gives`
says: yellow in its scopes, or evidence where a scope needs some, or nothing. There is no weight for red. It may also
propose an entry, which people then propose and approve, or turn down.

A form has questions of closed types only: yes or no, one of several choices, a whole number within bounds, a date.
There is no free text, and none that would ask who somebody is.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from waypass_server.models.lists_of_people import Effect, Weight


class AnswerKind(StrEnum):
    """What a question takes for an answer."""

    YES_NO = "yes-no"
    CHOICE = "choice"
    NUMBER = "number"
    DATE = "date"


@dataclass(frozen=True, kw_only=True, slots=True)
class Words:
    """A text in both languages."""

    en: str
    zh: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One answer of several; `value` is what rules see."""

    value: str
    words: Words


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """One question. `choices` is for a choice; `least` and `most`, both inclusive, are for a number."""

    id: str
    kind: AnswerKind
    words: Words
    choices: tuple[Choice, ...] = ()
    least: int = 0
    most: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class SurveyForm:
    """What is asked. Answers are a fact for `valid_for` seconds; every question needs one."""

    words: Words
    questions: tuple[Question, ...]
    valid_for: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EntryToPropose:
    """The entry that a rule proposes: on which basis, with what effect, in which scopes."""

    basis_id: int
    effect: Effect
    scopes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One rule. `reason` is in plain words, for the person concerned."""

    id: str
    reason: str
    gives: Weight
    scopes: tuple[int, ...]
    logic: Any
    proposes: EntryToPropose | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleText:
    """The whole: where it is published, the rules, and the form if it has one."""

    citation: str
    rules: tuple[Rule, ...]
    form: SurveyForm | None = None


_STORED = TypeAdapter(RuleText)


def to_json(text: RuleText) -> dict[str, Any]:
    """For the database and the API."""
    written: dict[str, Any] = _STORED.dump_python(text, mode="json")
    return written


def from_json(written: dict[str, Any]) -> RuleText:
    """What `to_json` wrote."""
    return _STORED.validate_python(written)
