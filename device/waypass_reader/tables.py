"""What the configuration files of this package share: strict tables, names, paths, the broker.

An unknown key, a missing one, or a value of another type or range is a `ConfigurationError` that names the key; an
unknown key's message also names the known ones. A path that is not absolute is beside the file.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from waypass_protocol.errors import Malformed
from waypass_protocol.names import check_name
from waypass_reader.broker_address import BrokerAddress
from waypass_reader.errors import ConfigurationError
from waypass_reader.settings_files import read_setting_file


def folder_of(info: ValidationInfo) -> Path:
    """The folder that the file is in."""
    folder = (info.context or {}).get("folder", Path())
    return Path(folder)


def _beside(value: object, info: ValidationInfo) -> object:
    """A path as text, taken from the folder of the configuration file."""
    return folder_of(info) / value if isinstance(value, str) and value else value


def _named(value: object, info: ValidationInfo) -> object:
    """A name that may stand in a topic."""
    try:
        return check_name(value, what=str(info.field_name))
    except Malformed as error:
        raise ValueError(str(error)) from None


def check_address(value: str) -> str:
    """An address of pages as it stands in a file. Raises `ValueError`."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or parts.username or parts.query or parts.fragment or not value.isascii() or not value.isprintable():
        raise ValueError(f"expected an address such as http://127.0.0.1:8480, got {value!r}")
    return value


def _split_place(value: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; a host with colons stands in brackets. Raises `ValueError`."""
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.netloc != value or parts.username is not None:
        raise ValueError(f"expected HOST:PORT, got {value!r}")
    return host, port


def _check_place(value: str) -> str:
    """A text that `_split_place` splits."""
    _split_place(value)
    return value


PathBeside = Annotated[Path, BeforeValidator(_beside)]
Name = Annotated[str, BeforeValidator(_named)]
_Place = Annotated[str, AfterValidator(_check_place)]


class StrictTable(BaseModel):
    """A table of a file, read as the module's docstring says."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        for name in data if isinstance(data, dict) else ():
            if name not in known:
                raise ValueError(f"unknown key {name!r}; expected keys among {', '.join(sorted(known))}")
        return data


class BrokerTable(StrictTable):
    """The broker of the station. Without this table the reader has no network and decides by what it holds."""

    host: str = Field(min_length=1, description="Name or address of the broker.")
    port: int = Field(default=1883, ge=1, le=65_535, description="Its TCP port.")
    others: list[_Place] = Field(
        default=[],
        max_length=16,
        description="Further addresses of the same broker, as HOST:PORT: the other nodes of a cluster. Tried in turn.",
    )
    username: str | None = Field(default=None, description="The reader's login; absent, it connects without one.")
    password_file: PathBeside | None = Field(default=None, description="A file whose first line is the password.")
    ca: PathBeside | None = Field(
        default=None, description="Certificates (PEM) that the broker's must lead to; turns TLS on."
    )
    certificate: PathBeside | None = Field(default=None, description="The reader's own certificate (PEM).")
    key: PathBeside | None = Field(default=None, description="The private key (PEM) of that certificate.")

    @model_validator(mode="after")
    def _check_belonging(self) -> Self:
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file needs a username")
        if self.ca is None and (self.certificate is not None or self.key is not None):
            raise ValueError("certificate and key need a ca")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        return self

    def address(self) -> BrokerAddress:
        """The table as the link takes it."""
        others = tuple(_split_place(place) for place in self.others)
        return BrokerAddress(**self.model_dump(exclude={"others"}), others=others)


_Table = TypeVar("_Table", bound=StrictTable)


def read_table(path: Path, kind: type[_Table]) -> _Table:
    """Read a TOML file that is one such table. Raises `ConfigurationError`."""
    raw = read_setting_file(path, "configuration")
    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration {path}: not TOML: {error}") from None
    try:
        return kind.model_validate(document, context={"folder": path.resolve().parent})
    except ValidationError as error:
        raise ConfigurationError(f"configuration {path}: {_in_words(error)}") from None


def _in_words(error: ValidationError) -> str:
    """Every fault on one line: the key, and what was expected."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"])
        said = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{where}: {said}" if where else said)
    return "; ".join(faults)
