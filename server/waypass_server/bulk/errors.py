"""What is wrong with a file, or with one of its rows."""

from dataclasses import dataclass

from waypass_server.errors import ServerError


class FileRefused(ServerError):
    """A file that cannot be read as rows, or has columns that no import has. The message names the line, if any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadRow:
    """A row that was not taken. `line` is counted from 1, the header included (in Parquet: the number of the row);
    `got` never repeats what may name or describe a person.
    """

    line: int
    column: str | None
    expected: str
    got: str

    def __str__(self) -> str:
        """In a line."""
        column = f"{self.column}: " if self.column else ""
        return f"line {self.line}: {column}expected {self.expected}, got {self.got}"
