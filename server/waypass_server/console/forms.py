"""What a form says, in the API's own types, and what is wrong with it, field by field.

A form's fields are put together as the API's body and read by the API's model, so that both accept the same. What the
model or the domain refuses is said at its field, in words for people; nothing that was typed is lost. Times are given
as "in so many days": no time zone can be mistaken.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from waypass_server.console.access import Form
from waypass_server.console.words import Speech, mark
from waypass_server.errors import ServerError
from waypass_server.refusals import Problem

_Model = TypeVar("_Model", bound=BaseModel)

UNITS: Mapping[str, int] = {"days": 86_400, "hours": 3600, "minutes": 60}
MOST = 10 * 366 * 86_400

_WORDS: Mapping[str, str] = {
    "string_too_long": mark("This is too long."),
    "string_too_short": mark("Please fill this in."),
    "string_pattern_mismatch": mark("A reference has letters, digits, dots, hyphens and underscores, at most 64."),
    "too_short": mark("Choose at least one."),
    "missing": mark("Please fill this in."),
    "enum": mark("Choose one of these."),
    "extra_forbidden": mark("There is no such field."),
    "too_long": mark("These are too many."),
    "int_type": mark("Write a whole number, such as 30."),
    "greater_than_equal": mark("This number is too small."),
    "less_than_equal": mark("This number is too large."),
}
_OTHER = mark("This cannot be used.")
_EMPTY = mark("Please fill this in.")
_NOT_A_NUMBER = mark("Write a whole number, such as 30.")


class FormRefused(ServerError):
    """What is wrong, by field; the field "" is for the whole form."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = errors


@dataclass(kw_only=True, slots=True)
class Filled:
    """A form as a template shows it: what stands in its fields, and what is wrong with them."""

    values: Mapping[str, str] = field(default_factory=dict)
    chosen: Mapping[str, list[str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(form: Form, *, texts: tuple[str, ...], lists: tuple[str, ...] = (), errors: Mapping[str, str]) -> "Filled":
        """As it was sent."""
        return Filled(
            values={name: form.text(name) for name in texts},
            chosen={name: form.texts(name) for name in lists},
            errors=errors,
        )

    def value(self, name: str, default: str = "") -> str:
        """What stands in a field."""
        return self.values.get(name, default)

    def has(self, name: str, value: object) -> bool:
        """Whether a box is ticked."""
        return str(value) in self.chosen.get(name, [])

    def error(self, name: str) -> str | None:
        """What is wrong with a field."""
        return self.errors.get(name)


def read(model: type[_Model], values: Mapping[str, Any], speech: Speech) -> _Model:
    """The API's body from a form's values. Raises `FormRefused`."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        errors: dict[str, str] = {}
        for one in error.errors(include_url=False, include_context=False):
            name = "_".join(str(part) for part in one["loc"] if isinstance(part, str))
            empty = one["input"] in ("", None)
            errors.setdefault(name, speech(_EMPTY) if empty else word_of(one["type"], speech))
        raise FormRefused(errors) from None


def word_of(kind: str, speech: Speech) -> str:
    """What is wrong with a value, by the name that the model has for it."""
    return speech(_WORDS.get(kind, _OTHER))


def whole_number(text: str, name: str, speech: Speech) -> int:
    """A whole number as it was typed. Raises `FormRefused`."""
    if not text:
        raise FormRefused({name: speech(_EMPTY)})
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise FormRefused({name: speech(_NOT_A_NUMBER)})
    return int(text)


def numbers(texts: Iterable[str]) -> tuple[int, ...]:
    """The numbers among boxes that were ticked; what is none was not on the page."""
    return tuple(record_id(each) for each in texts if record_id(each) or each == "0")


def as_period(seconds: int) -> tuple[str, str]:
    """A period as the field shows it: a number and its unit. Under a minute it is a minute."""
    for unit, size in UNITS.items():
        if seconds >= size and seconds % size == 0:
            return str(seconds // size), unit
    return str(max(1, -(-seconds // UNITS["minutes"]))), "minutes"


def record_id(text: str) -> int:
    """The number of a record in a hidden field; 0, which no record has, for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def period(form: Form, name: str, speech: Speech) -> int:
    """So many days, hours or minutes, as seconds. Raises `FormRefused`."""
    number = whole_number(form.text(name), name, speech)
    return min(number * UNITS.get(form.text(f"{name}_unit"), UNITS["days"]), MOST)


def at_field(problem: Problem, words: Mapping[str, str]) -> FormRefused:
    """A refusal of the domain, said at the field that its message begins with, in that field's words.

    Raises the problem itself when it is about no field that the form has.
    """
    name = str(problem).partition(":")[0]
    if name not in words:
        raise problem
    return FormRefused({name: words[name]})
