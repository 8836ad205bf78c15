"""Files of rows: CSV, JSON Lines and Parquet, read and written a row at a time.

Reading raises `FileRefused` for a file that is not what it says, and nothing else; a row that alone cannot be read
comes out as a `BadRow`, and the next one follows.

1. text is UTF-8, with or without a byte order mark, without zero characters. A line has at most `MAX_LINE` bytes, a
   file at most `MOST_ROWS` rows
2. CSV has a header, commas and double quotes (RFC 4180); a row has as many cells as the header
3. JSON Lines has an object a line, whose members are the columns; none stands twice, and there is no NaN
4. Parquet has the columns as texts, whole numbers, truths, and lists of these
5. a cell of CSV that a spreadsheet would take for a formula is written with an apostrophe before it, and read without
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

from waypass_server.bulk.errors import BadRow, FileRefused
from waypass_server.bulk.lines import check_columns, columns_of
from waypass_server.models.bulk import ImportKind

MAX_LINE = 64 << 10
"""Bytes."""
MOST_ROWS = 10_000_000
MOST_LINES = 200
"""Of one record of CSV: a quote that is never closed would take the rest of the file."""
AT_ONCE = 5000
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
_BOM = b"\xef\xbb\xbf"
_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"PK\x03\x04": "a spreadsheet or an archive"}

RawRow = tuple[int, Mapping[str, object]]
"""The line (or number) of a row, and its cells by column."""


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"

    @staticmethod
    def of(file: Path) -> "Format":
        """By the end of the file's name. Raises `FileRefused`."""
        try:
            return BY_NAME[file.suffix.lower()]
        except KeyError:
            raise FileRefused(
                f"{file.name}: expected a name that ends with {', '.join(BY_NAME)}, or --format; got {file.suffix!r}"
            ) from None


BY_NAME = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".parquet": Format.PARQUET}
"""By how a file's name ends."""


def read_rows(file: Path, form: Format, kind: ImportKind) -> Iterator[RawRow | BadRow]:
    """The rows of a file, by the module's rules. Raises `FileRefused`."""
    reading = {Format.CSV: _read_csv, Format.JSONL: _read_jsonl, Format.PARQUET: _read_parquet}[form]
    with _opened(file) as opened:
        for number, row in enumerate(reading(opened, kind)):
            if number >= MOST_ROWS:
                raise FileRefused(f"{file.name}: expected at most {MOST_ROWS} rows, got more; divide the file")
            yield row


def write_rows(file: BinaryIO, form: Format, kind: ImportKind, rows: Iterable[Mapping[str, object]]) -> int:
    """Write rows; how many."""
    writing: Mapping[Format, Callable[[BinaryIO, ImportKind, Iterable[Mapping[str, object]]], int]] = {
        Format.CSV: _write_csv,
        Format.JSONL: _write_jsonl,
        Format.PARQUET: _write_parquet,
    }
    return writing[form](file, kind, rows)


def harmless(text: str) -> str:
    """Rule 5, on the way out."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def original(text: str) -> str:
    """Rule 5, on the way in."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA) else text


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as opened:
            yield opened
    except OSError as error:
        raise FileRefused(f"{file.name}: cannot be read: {error.strerror or error}") from None


class _Lines:
    """The lines of a file as text (rule 1), and the number of the last one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._since_record = 0
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._since_record += 1
        if len(line) > MAX_LINE:
            raise FileRefused(f"line {self.number}: expected at most {MAX_LINE} bytes, got more")
        if self._since_record > MOST_LINES:
            first = self.number - MOST_LINES
            raise FileRefused(f"line {first}: expected a row of at most {MOST_LINES} lines; is a quote left open?")
        if self.number == 1:
            line = _without_mark(line)
        return self._text(line)

    def next_record(self) -> None:
        """The lines so far are done with."""
        self._since_record = 0

    def _text(self, line: bytes) -> str:
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise FileRefused(
                f"line {self.number}: expected UTF-8, got the byte {line[error.start]:#04x} at position {error.start}"
            ) from None
        if "\0" in text:
            raise FileRefused(f"line {self.number}: expected text, got a zero character")
        return text


def _without_mark(line: bytes) -> bytes:
    for mark, name in _OTHER_MARKS.items():
        if line.startswith(mark):
            raise FileRefused(f"line 1: expected UTF-8 text, got {name}")
    return line.removeprefix(_BOM)


def _read_csv(file: BinaryIO, kind: ImportKind) -> Iterator[RawRow | BadRow]:
    lines = _Lines(file)
    records = _records(lines)
    header: Sequence[str] | None = None
    for line, record in records:
        if header is None:
            header = [name.strip() for name in record]
            check_columns(kind, header, line=line)
        elif len(record) != len(header):
            yield BadRow(line=line, column=None, expected=f"{len(header)} cells", got=str(len(record)))
        else:
            yield line, dict(zip(header, map(original, record), strict=True))
    if header is None:
        raise FileRefused("line 1: expected a header of columns, got an empty file")


def _records(lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    """Each record with its first line; empty lines are left out."""
    reader = csv.reader(lines, strict=True)
    while True:
        first = lines.number + 1
        lines.next_record()
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise FileRefused(f"line {first}: expected CSV with commas and double quotes: {error}") from None
        if record is None:
            return
        if record:
            yield first, record


def _read_jsonl(file: BinaryIO, _kind: ImportKind) -> Iterator[RawRow | BadRow]:
    lines = _Lines(file)
    for text in lines:
        lines.next_record()
        if text.strip():
            yield _read_object(lines.number, text)


def _read_object(line: int, text: str) -> RawRow | BadRow:
    try:
        value = _DECODER.decode(text.strip())
    except (ValueError, RecursionError) as error:
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        return BadRow(line=line, column=None, expected="a JSON object", got=f"none: {what}")
    if not isinstance(value, dict):
        return BadRow(line=line, column=None, expected="a JSON object", got=type(value).__name__)
    return line, value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)


def _read_parquet(file: BinaryIO, kind: ImportKind) -> Iterator[RawRow | BadRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    # What a damaged file makes the library say; it has no root of its own for all of it.
    damaged = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError)
    try:
        opened = pq.ParquetFile(file, pre_buffer=False)
        names, pages = opened.schema_arrow.names, opened.iter_batches(batch_size=AT_ONCE)
    except damaged as error:
        raise _no_parquet(error) from None
    check_columns(kind, names)
    number = 0
    while True:
        try:
            page = next(pages, None)
            rows = [] if page is None else page.to_pylist()
        except damaged as error:
            raise _no_parquet(error) from None
        if page is None:
            return
        for row in rows:
            number += 1
            yield number, row


def _no_parquet(error: Exception) -> FileRefused:
    return FileRefused(f"expected Parquet, got what cannot be read as it ({type(error).__name__})")


def _write_csv(file: BinaryIO, kind: ImportKind, rows: Iterable[Mapping[str, object]]) -> int:
    columns = columns_of(kind)
    writer = csv.writer(_Encoding(file), lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
        count += 1
    return count


class _Encoding:
    """What `csv` writes to, as UTF-8."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Write it."""
        return self._file.write(text.encode())


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return harmless(str(value))


def _write_jsonl(file: BinaryIO, _kind: ImportKind, rows: Iterable[Mapping[str, object]]) -> int:
    count = 0
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        count += 1
    return count


def _write_parquet(file: BinaryIO, kind: ImportKind, rows: Iterable[Mapping[str, object]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"scopes": pa.list_(pa.int64()), "exclusions_checked": pa.list_(pa.string()), "yellow": pa.bool_()}
    types |= dict.fromkeys(("basis", "starts_at", "ends_at", "valid_from", "valid_until"), pa.int64())
    schema = pa.schema([(name, types.get(name, pa.string())) for name in columns_of(kind)])
    count, source = 0, iter(rows)
    with pq.ParquetWriter(file, schema) as writer:
        for first in source:
            page = [first, *islice(source, AT_ONCE - 1)]
            writer.write_table(pa.Table.from_pylist([dict(row) for row in page], schema=schema))
            count += len(page)
    return count
