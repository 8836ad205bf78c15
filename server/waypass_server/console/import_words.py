"""What is wrong with a file or one of its rows, in the console's language.

`bulk` says it in English, for the command and the log; the shapes of what it says are here, for other languages. What
has none stays as it came, and is marked as English for whoever listens to the page. Values stay as they stand in the
file.
"""

import re
from dataclasses import dataclass
from typing import Final

from waypass_server.bulk.errors import BadRow
from waypass_server.console.shapes import said
from waypass_server.console.words import Speech, mark

PLAIN: Final = {
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid string": "text",
    "a valid tuple": "a list",
    "a valid frozenset": "a list",
    "greater than or equal to {least}": "at least {least}",
    "less than or equal to {most}": "at most {most}",
    "String should have at most {most} characters": "at most {most} characters",
    "Tuple should have at least {least} item after validation, not {count}": "at least {least} of them",
    "Tuple should have at most {most} items after validation, not {count}": "at most {most} of them",
}
"""What the library that reads rows says, for people."""
EXPECTED: Final = (
    mark("a value"),
    mark("a known column"),
    mark("{count} cells"),
    mark("a JSON object"),
    mark("some text"),
    mark("text without control characters"),
    mark("a whole number"),
    mark("true or false"),
    mark("text"),
    mark("a list"),
    mark("at most {most} characters"),
    mark("at least {least} of them"),
    mark("at most {most} of them"),
    mark("'red', 'yellow' or 'grant'"),
    mark("'open', 'upheld', 'dismissed' or 'won'"),
    mark("'exposure' or 'survey'"),
    mark("'minors', 'medical-travel' or 'hearing'"),
    mark("a reference: 1 to 64 letters, digits, dots, dashes or underscores"),
    mark("a reference that is known in this network"),
    mark("one of the network's bases"),
    mark("a basis in force"),
    mark("staff of the basis's authority, or of the network"),
    mark("at least one scope and each once"),
    mark("scopes among {scopes}"),
    mark("scopes of the basis, {scopes}"),
    mark("a basis of health for red in essential scopes"),
    mark("one of {effects}"),
    mark("an end after the start {start}"),
    mark("at most {longest} s after the start"),
    mark("an end after the notice of {notice} s"),
    mark("each exclusion of the basis"),
    mark("a case that is open or upheld"),
    mark("an end to come, at most {longest} s after {start}"),
    # Last: the texts above begin like these.
    mark("at least {least}"),
    mark("at most {most}"),
    mark("less than {most}"),
)
GOT: Final = (
    mark("none"),
    mark("another"),
    mark("staff of another one"),
    mark("this one is not approved by a second person yet"),
    mark("{exclusions} not looked at"),
    mark("{scopes} without"),
    mark("another: expected a known column"),
    mark("another: a column for this is a defect: people are listed by exact reference on a basis, by nothing else"),
    mark("another: expected the receiver's own basis alone, in the column basis"),
    mark("none: {why}"),
)
FILE: Final = (
    mark("expected at least one row, got none"),
    mark("expected at most {rows} rows here, got more"),
    mark("expected at most {bytes} bytes, got more"),
    mark("expected a row of at most {lines} lines; is a quote left open?"),
    mark("expected UTF-8, got the byte {byte} at position {position}"),
    mark("expected text, got a zero character"),
    mark("expected UTF-8 text, got a spreadsheet or an archive"),
    mark("expected UTF-8 text, got {other}"),
    mark("expected a header of columns, got an empty file"),
    mark("expected CSV with commas and double quotes: {why}"),
    mark("expected Parquet, got what cannot be read as it ({why})"),
    mark("column {name}: expected a known column; known are {known}"),
    mark(
        "column {name}: a column for this is a defect: people are listed by exact reference on a basis, by nothing "
        "else; known are {known}"
    ),
    mark("column {name}: expected the receiver's own basis alone, in the column basis; known are {known}"),
    mark("columns: expected each once, got {names} twice"),
    mark("columns: expected {needed}, got none named {missing}"),
)
_SECONDS = re.compile(r"\b(\d+) s\b")
_AT_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldRow:
    """A row that would be refused. `known` is whether `expected` is in the page's language, `plain` whether `got` is
    words; otherwise it is what stands in the file.
    """

    line: int
    column: str | None
    expected: str
    known: bool
    got: str
    plain: bool


def tell_row(row: BadRow, speech: Speech) -> ToldRow:
    """One row."""
    plain = said(row.expected, tuple(PLAIN), PLAIN.__getitem__) or row.expected
    expected, got = said(plain, EXPECTED, speech), said(row.got, GOT, speech)
    return ToldRow(
        line=row.line,
        column=row.column,
        expected=_SECONDS.sub(lambda found: _both(found, speech), expected or plain),
        known=expected is not None,
        got=got or row.got,
        plain=got is not None,
    )


def _both(found: "re.Match[str]", speech: Speech) -> str:
    """Seconds as people count them, and as they stand in the file."""
    return f"{speech.duration(int(found.group(1)))} ({found.group(0)})"


def tell_file(message: str, speech: Speech) -> str:
    """Why a file cannot be read as rows."""
    found = _AT_LINE.fullmatch(message)
    rest = found.group(2) if found else message
    words = said(rest, FILE, speech) or rest
    if found is None:
        return words[:1].upper() + words[1:]
    return speech("Line %(line)s: %(words)s") % {"line": found.group(1), "words": words}
