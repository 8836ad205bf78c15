"""Files of rows: what is read, what is refused and why, and that nothing but `FileRefused` ever comes out."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server.bulk.files import entry_row, fact_row

from waypass_server.bulk.errors import BadRow, FileRefused
from waypass_server.bulk.formats import MAX_LINE, Format, harmless, original, read_rows, write_rows
from waypass_server.bulk.lines import EntryLine, columns_of, read_line
from waypass_server.models.bulk import ImportKind

ENTRIES, FACTS = ImportKind.ENTRIES, ImportKind.FACTS
HEADER = b"person,basis,effect,scopes,reason,case_reference,ends_at\n"
ROW = b"p-1,1,red,1 2,because,C-1,1900000000\n"


def read(folder: Path, data: bytes, form: Format = Format.CSV, kind: ImportKind = ENTRIES) -> list[Any]:
    file = folder / "rows"
    file.write_bytes(data)
    return list(read_rows(file, form, kind))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty", b"", "line 1: expected a header of columns, got an empty file"),
        ("a score", HEADER.replace(b"reason", b"score"), "line 1: column 'score': a column for this is a defect"),
        ("a rank", HEADER.replace(b"reason", b"credit_rank"), "a column for this is a defect"),
        ("a name", HEADER.replace(b"reason", b"Name"), "column 'Name': a column for this is a defect"),
        ("a place", HEADER.replace(b"reason", b"last-place"), "people are listed by exact reference on a basis"),
        ("the sender's basis", HEADER.replace(b"reason", b"source_basis"), "expected the receiver's own basis alone"),
        ("another column", HEADER.replace(b"reason", b"colour"), "column 'colour': expected a known column; known are"),
        ("a column twice", HEADER.replace(b"reason", b"person"), "expected each once, got person twice"),
        ("a column too few", HEADER.replace(b"reason,", b""), "got none named reason"),
        ("UTF-16", "person".encode("utf-16"), "line 1: expected UTF-8 text, got UTF-16"),
        ("a spreadsheet", b"PK\x03\x04rest", "got a spreadsheet or an archive"),
        (
            "Latin-1",
            HEADER + b"p-1,1,red,1,caf\xe9,C-1,5\n",
            "line 2: expected UTF-8, got the byte 0xe9 at position 15",
        ),
        ("a zero", HEADER + b"p-1\0,1,red,1,b,C-1,5\n", "line 2: expected text, got a zero character"),
        ("a long line", HEADER + b"x" * (MAX_LINE + 1), f"line 2: expected at most {MAX_LINE} bytes, got more"),
        ("an open quote", HEADER + b'p-1,1,"red\n' + ROW * 300, "line 2: expected a row of at most 200 lines"),
        ("a quote at the end", HEADER + b'p-1,1,"red', "line 2: expected CSV with commas and double quotes"),
    ],
)
def test_a_file_that_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(FileRefused, match=message.replace("(", r"\(")):
        read(tmp_path, data)


def test_a_mark_and_empty_lines_are_nothing(tmp_path: Path) -> None:
    rows = read(tmp_path, b"\xef\xbb\xbf" + HEADER + b"\n" + ROW + b"\n" + ROW)
    assert [line for line, _ in rows] == [3, 5]
    assert rows[0][1]["person"] == "p-1"


def test_a_row_of_several_lines_has_the_number_of_its_first(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + b'p-1,1,red,1,"two\nlines",C-1,5\n' + ROW)
    assert [(line, row["reason"]) for line, row in rows] == [(2, "two\nlines"), (4, "because")]


def test_a_row_with_other_cells_is_bad_and_the_next_one_follows(tmp_path: Path) -> None:
    bad, good = read(tmp_path, HEADER + b"p-1,1\n" + ROW)
    assert str(bad) == "line 2: expected 7 cells, got 2"
    assert good[0] == 3


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("no JSON", "{", "line 1: expected a JSON object, got none"),
        ("a list", "[]", "line 1: expected a JSON object, got list"),
        ("a member twice", '{"person": "a", "person": "b"}', "got none: a member stands twice"),
        ("no number", '{"basis": NaN}', "got none: NaN is no number"),
        ("too deep", "[" * 20_000, "expected a JSON object"),
    ],
)
def test_a_line_of_json_that_is_bad(tmp_path: Path, name: str, line: str, message: str) -> None:
    (bad,) = read(tmp_path, line.encode(), Format.JSONL)
    assert isinstance(bad, BadRow)
    assert message in str(bad)


@pytest.mark.parametrize(
    ("name", "changes", "column", "expected", "got"),
    [
        ("no reference", {"person": None}, "person", "a value", "none"),
        ("a name", {"person": "Ada Lovelace"}, "person", "a reference: 1 to 64 letters", "another"),
        ("effect", {"effect": "purple"}, "effect", "'red', 'yellow' or 'grant'", "'purple'"),
        ("no scope", {"scopes": []}, "scopes", "at least 1", "()"),
        ("a scope's name", {"scopes": ["ride"]}, "scopes", "a valid integer", "'ride'"),
        ("an end in words", {"ends_at": "tomorrow"}, "ends_at", "a valid integer", "'tomorrow'"),
        ("a reason without words", {"reason": "\x07"}, "reason", "text without control characters", "another"),
        ("an exclusion", {"exclusions_checked": ["rich"]}, "exclusions_checked", "'minors'", "'rich'"),
        ("a score", {"score": 3}, "'score'", "a known column", "a column for this is a defect"),
    ],
)
def test_a_row_that_is_bad(name: str, changes: dict[str, Any], column: str, expected: str, got: str) -> None:
    row = {**entry_row("p-1", 1), **changes}
    bad = read_line(ENTRIES, 7, row)
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.column) == (7, column)
    assert expected in bad.expected
    assert got in bad.got
    assert "Lovelace" not in str(bad)


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("kind", ImportKind)
def test_what_is_written_is_read(tmp_path: Path, form: Format, kind: ImportKind) -> None:
    row = entry_row("p-1", 1) if kind is ENTRIES else fact_row("p-1")
    rows = [{**row, "reason": reason} for reason in ("=1+1", "-5 degrees", "'quoted'", 'a, "b"\nc', "颜色")]
    file = tmp_path / f"rows.{form}"
    with file.open("wb") as out:
        assert write_rows(out, form, kind, rows) == len(rows)
    read_back = [
        read_line(kind, *found) for found in read_rows(file, Format.of(file), kind) if isinstance(found, tuple)
    ]
    assert read_back == [read_line(kind, 1, each) for each in rows]
    assert not any(isinstance(each, BadRow) for each in read_back)


def test_a_formula_is_harmless_in_a_cell() -> None:
    file = io.BytesIO()
    write_rows(file, Format.CSV, FACTS, [fact_row("p-1", reason="=cmd()", source="@sum")])
    assert b",'@sum,'=cmd()," in file.getvalue()


@given(st.text())
def test_an_apostrophe_that_was_set_is_taken_away(text: str) -> None:
    assert original(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("name", ["rows.txt", "rows", "rows.xlsx"])
def test_a_name_that_says_no_format(name: str) -> None:
    with pytest.raises(FileRefused, match=r"expected a name that ends with .csv, .jsonl, .ndjson, .parquet"):
        Format.of(Path(name))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"gone\.csv: cannot be read: No such file"):
        list(read_rows(tmp_path / "gone.csv", Format.CSV, ENTRIES))


def good_parquet() -> bytes:
    out = io.BytesIO()
    write_rows(out, Format.PARQUET, ENTRIES, [entry_row(f"p-{number}", 1) for number in range(50)])
    return out.getvalue()


def test_parquet_with_another_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"person": ["p-1"], "face": [b"x"]}), tmp_path / "rows")
    with pytest.raises(FileRefused, match="column 'face': a column for this is a defect"):
        list(read_rows(tmp_path / "rows", Format.PARQUET, ENTRIES))


GOOD = {
    Format.CSV: HEADER + ROW * 3,
    Format.JSONL: b"".join(json.dumps(entry_row(f"p-{number}", 1)).encode() + b"\n" for number in range(3)),
    Format.PARQUET: good_parquet(),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(form=st.sampled_from(Format), data=st.data())
def test_whatever_comes_only_their_own_error_comes_out(tmp_path: Path, form: Format, data: st.DataObject) -> None:
    """Bytes at random, and good files with some bytes changed, cut or put in."""
    good = GOOD[form]
    if data.draw(st.booleans()):
        damaged = data.draw(st.binary(max_size=400))
    else:
        at = data.draw(st.integers(0, len(good)))
        length = data.draw(st.integers(0, 8))
        damaged = good[:at] + data.draw(st.binary(max_size=8)) + good[at + length :]
    try:
        for found in read(tmp_path, damaged, form):
            if not isinstance(found, BadRow):
                read_line(ENTRIES, *found)
    except FileRefused:
        pass


@given(
    row=st.dictionaries(
        st.sampled_from([*columns_of(ENTRIES), "score"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda each: st.lists(each, max_size=3)
        ),
    )
)
def test_whatever_stands_in_a_row_it_is_read_or_bad(row: dict[str, object]) -> None:
    found = read_line(ENTRIES, 1, row)
    assert isinstance(found, BadRow | EntryLine)
