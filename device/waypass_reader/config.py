"""The file that sets a reader up: `reader.toml`.

    reader = "gate-1"
    network = "metro"
    keys = "trust.json"
    state = "state"
    scope = 1
    policy = { reentry = 120, when_stale = "assist" }

    [broker]
    host = "127.0.0.1"

    [pages]
    port = 8480

    [[lane]]
    name = "north"
    display = "terminal"
    source = { kind = "camera", device = "/dev/video0" }
    turnstile = { pins = "gpio", relay = 17, lamp_go = 27, lamp_wait = 22 }

Every table is read strictly: an unknown key, a missing one, or a value of another type or range is a
`ConfigurationError` that names the key; an unknown key's message also names the known ones. A path that is not absolute
is beside the file. No device, broker or folder is opened here, but the trust set and a policy file are read.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import TrustSet
from waypass_protocol.names import check_name
from waypass_protocol.policy import Policy, policy_from_mapping
from waypass_reader.errors import ConfigurationError
from waypass_reader.frames import SourceConfig, read_source_config
from waypass_reader.link import BrokerAddress
from waypass_reader.settings_files import load_policy, load_trust_set, read_setting_file
from waypass_reader.turnstile import Pins, Wiring
from waypass_reader.words import Language

_HIGHEST_PIN = 27


def _beside(value: object, info: ValidationInfo) -> object:
    """A path as text, taken from the folder of the configuration file."""
    return _folder(info) / value if isinstance(value, str) and value else value


def _named(value: object, info: ValidationInfo) -> object:
    """A name that may stand in a topic."""
    try:
        return check_name(value, what=str(info.field_name))
    except Malformed as error:
        raise ValueError(str(error)) from None


def _folder(info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder", Path())
    return Path(folder)


PathBeside = Annotated[Path, BeforeValidator(_beside)]
Name = Annotated[str, BeforeValidator(_named)]
Pin = Annotated[int, Field(ge=0, le=_HIGHEST_PIN)]


class _Table(BaseModel):
    """A table of the file, read as the module's docstring says."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        for name in data if isinstance(data, dict) else ():
            if name not in known:
                raise ValueError(f"unknown key {name!r}; expected keys among {', '.join(sorted(known))}")
        return data


class BrokerTable(_Table):
    """The broker of the station. Without this table the reader has no network and decides by what it holds."""

    host: str = Field(min_length=1, description="Name or address of the broker.")
    port: int = Field(default=1883, ge=1, le=65_535, description="Its TCP port.")
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
        return BrokerAddress(**self.model_dump())


class TurnstileTable(_Table):
    """A lane's barrier and lamps, as BCM pin numbers."""

    pins: Literal["gpio", "mock"] = Field(description="`gpio` for a board's pins; `mock` for none, in a dry run.")
    relay: Pin = Field(default=17, description="Output that lets one person through.")
    lamp_go: Pin = Field(default=27, description="Output of the lamp *go*.")
    lamp_wait: Pin = Field(default=22, description="Output of the lamp *please wait for staff*.")
    open_seconds: float = Field(default=5.0, ge=0, le=60, description="How long the lane stays open for one person.")
    pulse_seconds: float = Field(default=0.5, gt=0, le=60, description="How long the relay is pulled.")

    @model_validator(mode="after")
    def _check_pins(self) -> Self:
        if len(set(self.numbers)) != 3:
            raise ValueError("relay, lamp_go and lamp_wait need three different pins")
        return self

    @property
    def numbers(self) -> tuple[int, int, int]:
        """The three pins."""
        return self.relay, self.lamp_go, self.lamp_wait

    @property
    def kind(self) -> Pins:
        """What stands behind the numbers."""
        return Pins(self.pins)

    def wiring(self) -> Wiring:
        """The table as the turnstile takes it."""
        return Wiring(
            relay=self.relay, lamp_go=self.lamp_go, lamp_wait=self.lamp_wait, pulse_seconds=self.pulse_seconds
        )


class LaneTable(_Table):
    """One lane: a camera, a barrier, a screen."""

    name: Name = Field(description="The lane's name, in messages and logs.")
    source: SourceConfig = Field(description="Where frames come from: `kind` and the settings of that kind.")
    turnstile: TurnstileTable = Field(description="The barrier.")
    display: Literal["terminal", "lines", "none"] = Field(
        default="terminal",
        description="A screen for people, a JSON line for each decision on standard output, or none.",
    )

    @field_validator("source", mode="before")
    @classmethod
    def _read_source(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, dict):
            raise ValueError("expected a table with kind and its settings")
        path = value.get("path")
        settings = value | ({"path": _folder(info) / path} if isinstance(path, str) and path else {})
        try:
            return read_source_config(settings)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None


class PagesTable(_Table):
    """The reader's own pages: each lane's screen for a browser, and overrides by staff. Without this table, none."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="The address to listen at; loopback unless it is said."
    )
    port: int = Field(default=8480, ge=0, le=65_535, description="Its TCP port; 0 for a free one, which the log names.")
    station_key_file: PathBeside | None = Field(
        default=None, description="A file whose first line is the key that overrides need; absent, none are taken."
    )


class ReaderTable(_Table):
    """The whole file."""

    reader: Name = Field(description="This reader's ID: in its topics, and its login at the broker.")
    network: Name = Field(description="The network that it serves; the trust set must be of the same.")
    station: Name = Field(
        default="station", description="The station that it stands in, for logs, its state message and its pages."
    )
    keys: PathBeside = Field(description="The network's trust set (JWK Set).")
    state: PathBeside = Field(description="Folder for status messages and floors, kept across restarts.")
    scope: int = Field(ge=0, description="The service class that this gate guards.")
    policy: Policy = Field(default=Policy(), description="The policy as a table, or the name of a JSON file.")
    clock: Literal["system", "assume-synchronised"] = Field(
        default="system", description="Who vouches for the clock: the system, or whoever wrote this file."
    )
    language: Literal["en", "zh"] = Field(default="en", description="What the screen speaks.")
    broker: BrokerTable | None = Field(default=None, description="The station's broker.")
    pages: PagesTable | None = Field(default=None, description="The reader's own pages.")
    lanes: list[LaneTable] = Field(alias="lane", min_length=1, description="The lanes, each a [[lane]] table.")

    @field_validator("policy", mode="before")
    @classmethod
    def _read_policy(cls, value: object, info: ValidationInfo) -> object:
        try:
            if isinstance(value, str):
                return load_policy(_folder(info) / value)
            return policy_from_mapping(value) if isinstance(value, dict) else value
        except (Malformed, ConfigurationError) as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _check_lanes(self) -> Self:
        names = [lane.name for lane in self.lanes]
        if len(set(names)) != len(names):
            raise ValueError("each lane needs a name of its own")
        numbers = [number for lane in self.lanes if lane.turnstile.pins == "gpio" for number in lane.turnstile.numbers]
        if len(set(numbers)) != len(numbers):
            raise ValueError("each lane needs pins of its own")
        return self

    @property
    def spoken(self) -> Language:
        """What the screen speaks."""
        return Language(self.language)


def load_config(path: Path) -> tuple[ReaderTable, TrustSet]:
    """Read the file and the trust set that it names. Raises `ConfigurationError`."""
    raw = read_setting_file(path, "configuration")
    try:
        document = tomllib.loads(raw.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"configuration {path}: not TOML: {error}") from None
    try:
        table = ReaderTable.model_validate(document, context={"folder": path.resolve().parent})
    except ValidationError as error:
        raise ConfigurationError(f"configuration {path}: {_in_words(error)}") from None
    trust = load_trust_set(table.keys)
    if trust.network != table.network:
        raise ConfigurationError(
            f"configuration {path}: network: expected {trust.network!r}, which the keys are for, got {table.network!r}"
        )
    return table, trust


def _in_words(error: ValidationError) -> str:
    """Every fault on one line: the key, and what was expected."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in fault["loc"])
        said = fault["msg"].removeprefix("Value error, ")
        faults.append(f"{where}: {said}" if where else said)
    return "; ".join(faults)
