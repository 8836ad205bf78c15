"""The file that sets a station box up: `station.toml`.

    station = "north"
    network = "metro"
    key_file = "station-key"

    [broker]
    host = "127.0.0.1"

    [[reader]]
    id = "gate-a"
    pages = "http://127.0.0.1:8480"

Read as strictly as `reader.toml`: an unknown key, a missing one, or a value of another type or range is a
`ConfigurationError` that names the key. A path that is not absolute is beside the file. The key's file is read
here; no port is opened.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from waypass_reader.tables import BrokerTable, Name, PathBeside, StrictTable, check_address, read_table
from waypass_reader.web import read_key
from waypass_reader.words import Language


class ReaderOfStation(StrictTable):
    """One reader of the station."""

    id: Name = Field(description="The reader's ID, as in its topics.")
    pages: Annotated[str, AfterValidator(check_address)] | None = Field(
        default=None, description="Where its pages are, for staff to open its lanes; absent, they can't from here."
    )


class StationTable(StrictTable):
    """The whole file."""

    station: Name = Field(description="The station's name, as in the files of its readers.")
    network: Name = Field(description="The network that it belongs to.")
    host: str = Field(default="127.0.0.1", min_length=1, description="The address that the page listens at.")
    port: int = Field(default=8470, ge=0, le=65_535, description="Its port; 0 takes a free one.")
    key_file: PathBeside = Field(
        description="A file whose first line is the station's key, which the readers have too."
    )
    language: Literal["en", "zh", "ar"] = Field(
        default="en", description="What the page speaks until somebody chooses."
    )
    broker: BrokerTable = Field(description="The station's own broker.")
    readers: list[ReaderOfStation] = Field(
        alias="reader", min_length=1, description="The readers, each a [[reader]] table, in the order of the page."
    )

    @model_validator(mode="after")
    def _check_readers(self) -> Self:
        names = [reader.id for reader in self.readers]
        if len(set(names)) != len(names):
            raise ValueError("each reader stands here once")
        return self

    @property
    def spoken(self) -> Language:
        """What the page speaks until somebody chooses."""
        return Language(self.language)

    def pages(self) -> dict[str, str]:
        """Where each reader's pages are, of those that have some."""
        return {reader.id: reader.pages for reader in self.readers if reader.pages is not None}


def load_station(path: Path) -> tuple[StationTable, str]:
    """Read the file, and the key that it names. Raises `ConfigurationError`."""
    table = read_table(path, StationTable)
    return table, read_key(table.key_file)
