"""What a row may say: the columns of entries and of facts, and how each is read.

1. the columns are those of `EntryLine` and `FactLine`, and no others. One for a score, a rank, a name, a place or the
   like is a defect of the file: nobody is listed by these, and none is stored. Nor is there one for the sender's own
   basis: a row names the basis of whoever receives it, and the sender's reference goes into `case_reference`
2. a person is an exact reference. It is never matched otherwise, and no message repeats it
3. times are UNIX seconds. Lists (`scopes`, `exclusions_checked`) stand in one cell of CSV with spaces between
4. an empty cell is no value
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field, ValidationError

from waypass_server.api.facts import ReportKind
from waypass_server.api.forms import Input, Instant, Line, RecordId, Reference, ScopeNumber, Words
from waypass_server.bulk.errors import BadRow, FileRefused
from waypass_server.models.bulk import ImportKind
from waypass_server.models.lists_of_people import CaseState, Effect, Exclusion

_DEFECTS = frozenset({"score", "rank", "rating", "points", "grade", "risk", "gender", "nationality", "birth"})
_DEFECTS |= {"name", "face", "photo", "picture", "address", "phone", "email"}
_DEFECTS |= {"place", "location", "station", "latitude", "longitude", "trip"}
_BASIS_OF_SENDER = ("source", "sender", "foreign", "their")
_PRIVATE = frozenset({"person", "reason", "case_reference", "source"})
_MOST_SHOWN = 40


class EntryLine(Input):
    """A row of entries: one person on one basis of the receiver."""

    person: Reference
    basis: RecordId
    effect: Effect
    scopes: Annotated[tuple[ScopeNumber, ...], Field(min_length=1, max_length=64)]
    reason: Words
    case_reference: Line
    case_state: CaseState = CaseState.OPEN
    starts_at: Instant | None = None
    ends_at: Instant
    exclusions_checked: frozenset[Exclusion] = frozenset()


class FactLine(Input):
    """A row of facts: an exposure notice or a survey answer. No scopes means every scope."""

    person: Reference
    kind: ReportKind
    source: Line
    reason: Words
    yellow: bool
    scopes: Annotated[tuple[ScopeNumber, ...], Field(max_length=64)] = ()
    valid_from: Instant | None = None
    valid_until: Instant


AnyLine = EntryLine | FactLine
LINES: Mapping[ImportKind, type[EntryLine] | type[FactLine]] = {
    ImportKind.ENTRIES: EntryLine,
    ImportKind.FACTS: FactLine,
}
_NUMBERS = frozenset({"basis", "starts_at", "ends_at", "valid_from", "valid_until"})
_LISTS = {"scopes": True, "exclusions_checked": False}
"""Whether its members are numbers."""
_FLAGS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}


def columns_of(kind: ImportKind) -> tuple[str, ...]:
    """In the order in which an export has them."""
    return tuple(LINES[kind].model_fields)


def needed_columns(kind: ImportKind) -> tuple[str, ...]:
    """Those that every file has to have."""
    return tuple(name for name, field in LINES[kind].model_fields.items() if field.is_required())


def check_columns(kind: ImportKind, names: Iterable[str], *, line: int | None = None) -> None:
    """Rule 1. Raises `FileRefused`."""
    found = list(names)
    known = columns_of(kind)
    where = "" if line is None else f"line {line}: "
    for name in found:
        if name not in known:
            raise FileRefused(f"{where}column {_shown(name)}: {_why_not(name)}; known are {', '.join(known)}")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise FileRefused(f"{where}columns: expected each once, got {', '.join(twice)} twice")
    needed = needed_columns(kind)
    missing = [name for name in needed if name not in found]
    if missing:
        raise FileRefused(f"{where}columns: expected {', '.join(needed)}, got none named {', '.join(missing)}")


def read_line(kind: ImportKind, line: int, values: Mapping[str, object]) -> AnyLine | BadRow:
    """A row by the module's rules, or what is wrong with it."""
    typed = {name: _typed(name, value) for name, value in values.items()}
    given = {name: value for name, value in typed.items() if value is not None}
    try:
        return LINES[kind].model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        return _bad_row(line, first)


def _typed(name: str, value: object) -> object:
    """A cell of text as the type of its column; what it is not is left for the model to refuse."""
    if isinstance(value, list):
        return tuple(value)
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    if name in _NUMBERS:
        return _number(text)
    if name in _LISTS:
        parts = text.split()
        return tuple(_number(part) for part in parts) if _LISTS[name] else tuple(parts)
    if name == "yellow":
        return _FLAGS.get(text.lower(), text)
    return text


def _number(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else text


def _bad_row(line: int, error: Any) -> BadRow:
    column = str(error["loc"][0]) if error["loc"] else None
    kind = error["type"]
    if kind == "missing":
        return BadRow(line=line, column=column, expected="a value", got="none")
    if kind == "extra_forbidden":
        name = column or ""
        return BadRow(line=line, column=_shown(name), expected="a known column", got=f"another: {_why_not(name)}")
    expected = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if column == "person":
        expected = "a reference: 1 to 64 letters, digits, dots, dashes or underscores"
    got = "another" if column in _PRIVATE else _shown(error["input"])
    return BadRow(line=line, column=column, expected=expected.removeprefix("expected ").partition(", got")[0], got=got)


def _why_not(name: str) -> str:
    words = name.lower().replace("-", "_").split("_")
    if any(word in _DEFECTS for word in words):
        return "a column for this is a defect: people are listed by exact reference on a basis, by nothing else"
    if "basis" in words and any(word in _BASIS_OF_SENDER for word in words):
        return "expected the receiver's own basis alone, in the column basis"
    return "expected a known column"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
