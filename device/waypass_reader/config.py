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

    [metrics]
    port = 9480

    [[lane]]
    name = "north"
    display = "terminal"
    source = { kind = "camera", device = "/dev/video0" }
    turnstile = { pins = "gpio", relay = 17, lamp_go = 27, lamp_wait = 22 }
    sounder = { kind = "tonal", pin = 12 }
    speech = { kind = "espeak-ng", languages = ["en"] }

Every table is read strictly: an unknown key, a missing one, or a value of another type or range is a
`ConfigurationError` that names the key; an unknown key's message also names the known ones. A path that is not absolute
is beside the file. No device, broker or folder is opened here, but the trust set and a policy file are read.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from waypass_protocol.errors import Malformed
from waypass_protocol.keys import TrustSet
from waypass_protocol.policy import Policy, policy_from_mapping
from waypass_protocol.reasons import OverrideReason
from waypass_reader.errors import ConfigurationError
from waypass_reader.frames import SourceConfig, read_source_config
from waypass_reader.inputs import LaneContacts, Level, ReaderContacts
from waypass_reader.lane_machine import Timing
from waypass_reader.settings_files import load_policy, load_trust_set
from waypass_reader.simulated_turnstile import Flaw, Mechanics
from waypass_reader.sounder import Kind
from waypass_reader.speech import EspeakVoice, RecordedVoice, Voice
from waypass_reader.tables import BrokerTable, Name, PathBeside, StrictTable, check_address, folder_of, read_table
from waypass_reader.turnstile import Pins, Wiring
from waypass_reader.words import Language

_HIGHEST_PIN = 27


Pin = Annotated[int, Field(ge=0, le=_HIGHEST_PIN)]


ActiveLevel = Literal["low", "high"]
Reason = Literal["identity-checked", "gate-fault", "needs-help", "checked-by-hand", "crowding"]
# What a wide lane has where the file says nothing: a wheelchair and luggage take their time.
_WIDE_OPEN_SECONDS, _WIDE_QUIET_SECONDS, _WIDE_STUCK_SECONDS = 15.0, 1.0, 60.0


class SimulatedTable(StrictTable):
    """A barrier and people that are not there, behind `mock` pins: for dry runs and demonstrations."""

    walk_seconds: float = Field(default=0.5, ge=0, le=60, description="How long after an opening somebody walks.")
    turn_seconds: float = Field(default=0.1, ge=0, le=60, description="How long the sensor is on while they do.")
    flaw: Literal["none", "nobody-walks", "relay-dead", "relay-stuck", "sensor-stuck", "sensor-silent"] = Field(
        default="none", description="What is wrong with it."
    )
    record: PathBeside | None = Field(
        default=None, description="A file for the relay's changes with their times; absent, none."
    )


class TurnstileTable(StrictTable):
    """A lane's barrier, lamps and inputs, as BCM pin numbers."""

    pins: Literal["gpio", "mock"] = Field(description="`gpio` for a board's pins; `mock` for none, in a dry run.")
    relay: Pin = Field(default=17, description="Output that lets one person through.")
    lamp_go: Pin = Field(default=27, description="Output of the lamp *go*.")
    lamp_wait: Pin = Field(default=22, description="Output of the lamp *please wait for staff*.")
    open_seconds: float = Field(default=5.0, ge=0, le=60, description="How long the lane stays open for one person.")
    pulse_seconds: float = Field(default=0.5, gt=0, le=60, description="How long the relay is pulled.")
    wide: bool = Field(
        default=False,
        description="An accessible lane: without other words open for 15 s, quiet for 1 s, and stuck after 60 s.",
    )
    sensor: Pin | None = Field(
        default=None, description="Input that is on while somebody walks through; absent, an opening counts as one."
    )
    quiet_seconds: float | None = Field(
        default=None, ge=0, le=60, description="How long the sensor is off before the lane closes; absent, 0."
    )
    stuck_seconds: float | None = Field(
        default=None, gt=0, le=600, description="A sensor that is on for so long is stuck; absent, 10."
    )
    relay_sense: Pin | None = Field(
        default=None, description="Input from a second pair of the relay's contacts, on while it is pulled."
    )
    button: Pin | None = Field(default=None, description="Input of staff's button: each press opens once.")
    button_reason: Reason = Field(default="needs-help", description="What a press is counted as.")
    key: Pin | None = Field(default=None, description="Input of staff's key switch: each turn opens once.")
    key_reason: Reason = Field(default="checked-by-hand", description="What a turn is counted as.")
    active: ActiveLevel = Field(
        default="low", description="The inputs' level when on: `low`, joined to ground, or `high`, to 3.3 V."
    )
    simulated: SimulatedTable | None = Field(
        default=None, description="What stands behind `mock` pins; absent, nothing moves."
    )

    @model_validator(mode="after")
    def _check_pins(self) -> Self:
        if len(set(self.numbers)) != 3:
            raise ValueError("relay, lamp_go and lamp_wait need three different pins")
        if len(set(self.all_numbers)) != len(self.all_numbers):
            raise ValueError("each output and input needs a pin of its own")
        if self.simulated is not None and self.pins != "mock":
            raise ValueError('simulated needs pins = "mock"')
        return self

    @property
    def numbers(self) -> tuple[int, int, int]:
        """The three pins."""
        return self.relay, self.lamp_go, self.lamp_wait

    @property
    def all_numbers(self) -> list[int]:
        """These and the inputs' pins."""
        inputs = (self.sensor, self.relay_sense, self.button, self.key)
        return [*self.numbers, *(number for number in inputs if number is not None)]

    @property
    def kind(self) -> Pins:
        """What stands behind the numbers."""
        return Pins(self.pins)

    def wiring(self) -> Wiring:
        """The table as the turnstile takes it."""
        return Wiring(
            relay=self.relay,
            lamp_go=self.lamp_go,
            lamp_wait=self.lamp_wait,
            pulse_seconds=self.pulse_seconds,
            relay_sense=self.relay_sense,
            sense_active_low=self.active == "low",
        )

    def timing(self) -> Timing:
        """The table as the lane's machine takes it."""
        open_seconds = self.open_seconds
        if self.wide and "open_seconds" not in self.model_fields_set:
            open_seconds = _WIDE_OPEN_SECONDS
        quiet, stuck = (_WIDE_QUIET_SECONDS, _WIDE_STUCK_SECONDS) if self.wide else (0.0, 10.0)
        return Timing(
            open_ns=_ns(open_seconds),
            sensor=self.sensor is not None,
            quiet_ns=_ns(quiet if self.quiet_seconds is None else self.quiet_seconds),
            stuck_ns=_ns(stuck if self.stuck_seconds is None else self.stuck_seconds),
        )

    def contacts(self) -> LaneContacts:
        """The inputs as the lane takes them."""
        return LaneContacts(
            sensor=self.sensor,
            button=self.button,
            key=self.key,
            button_reason=OverrideReason(self.button_reason),
            key_reason=OverrideReason(self.key_reason),
            active=Level(self.active),
        )

    def mechanics(self) -> Mechanics | None:
        """What is simulated behind the pins."""
        if self.simulated is None:
            return None
        return Mechanics(
            relay=self.relay,
            sensor=self.sensor,
            relay_sense=self.relay_sense,
            active=Level(self.active),
            walk_seconds=self.simulated.walk_seconds,
            turn_seconds=self.simulated.turn_seconds,
            flaw=Flaw(self.simulated.flaw),
            record=self.simulated.record,
        )


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


class InputsTable(StrictTable):
    """Inputs that all lanes share."""

    pins: Literal["gpio", "mock"] = Field(description="`gpio` for a board's pins; `mock` for none, in a dry run.")
    crowd_key: Pin | None = Field(
        default=None, description="Input of a key switch that holds all lanes open while it is turned."
    )
    release: Pin | None = Field(
        default=None, description="Input from the emergency release, which is reported and gates nothing."
    )
    active: ActiveLevel = Field(
        default="low", description="Their level when on: `low`, joined to ground, or `high`, to 3.3 V."
    )

    @model_validator(mode="after")
    def _check_pins(self) -> Self:
        if self.crowd_key is not None and self.crowd_key == self.release:
            raise ValueError("crowd_key and release need two different pins")
        return self

    @property
    def numbers(self) -> list[int]:
        """The pins."""
        return [number for number in (self.crowd_key, self.release) if number is not None]

    @property
    def kind(self) -> Pins:
        """What stands behind the numbers."""
        return Pins(self.pins)

    def contacts(self) -> ReaderContacts:
        """The table as the reader takes it."""
        return ReaderContacts(crowd_key=self.crowd_key, release=self.release, active=Level(self.active))


class StationBoxTable(StrictTable):
    """The station's box, for the re-entry memory that its readers share."""

    address: Annotated[str, AfterValidator(check_address)] = Field(
        description="Where its pages are, such as http://127.0.0.1:8470."
    )
    key_file: PathBeside = Field(description="A file whose first line is the station's key.")


class SounderTable(StrictTable):
    """A lane's tone: *go* or *please wait for staff*. Without this table, none."""

    kind: Literal["tonal", "buzzer"] = Field(
        description="`tonal` for a passive buzzer, on a pin with PWM; `buzzer` for an active one."
    )
    pin: Pin = Field(default=12, description="Its output, among the pins of the lane's turnstile.")

    @property
    def sounds_as(self) -> Kind:
        """What is on the pin."""
        return Kind(self.kind)


class SpeechTable(StrictTable):
    """What a lane says aloud: go, please wait, what to do, out of order. Without this table, nothing."""

    kind: Literal["espeak-ng", "recorded"] = Field(description="A synthetic voice, or WAV files played by aplay.")
    languages: list[Literal["en", "zh", "ar"]] | None = Field(
        default=None, min_length=1, description="What is spoken, one after the other; absent, what the screens speak."
    )
    words_a_minute: int = Field(default=150, ge=80, le=400, description="Of espeak-ng: how fast it speaks.")
    folder: PathBeside | None = Field(
        default=None, description="Of recorded words: the folder with go.en.wav and the others."
    )
    device: str = Field(default="", description="Of recorded words: ALSA's name of the output; empty, its default.")

    @model_validator(mode="after")
    def _check_belonging(self) -> Self:
        recorded = self.kind == "recorded"
        if recorded is not (self.folder is not None):
            raise ValueError(f"{self.kind} {'needs' if recorded else 'takes no'} folder")
        if self.device and not recorded:
            raise ValueError("device is for recorded words")
        return self

    def voice(self) -> Voice:
        """The table as the speaker takes it."""
        if self.folder is None:
            return EspeakVoice(words_a_minute=self.words_a_minute)
        return RecordedVoice(folder=self.folder, device=self.device)


class SeeingTable(StrictTable):
    """What the eyes of all lanes have besides. Without this table, what every gate has."""

    wechat_models: PathBeside | None = Field(
        default=None,
        description="Folder with detect.prototxt, detect.caffemodel, sr.prototxt and sr.caffemodel, for a further "
        "stage that needs opencv-contrib; absent, it is left out.",
    )


class LaneTable(StrictTable):
    """One lane: a camera or a scanner, a barrier, a screen."""

    name: Name = Field(description="The lane's name, in messages and logs.")
    source: SourceConfig = Field(description="Where codes are seen: `kind` and the settings of that kind.")
    turnstile: TurnstileTable = Field(description="The barrier.")
    display: Literal["terminal", "lines", "none"] = Field(
        default="terminal",
        description="A screen for people, a JSON line for each decision on standard output, or none.",
    )

    sounder: SounderTable | None = Field(default=None, description="The tone.")
    speech: SpeechTable | None = Field(default=None, description="What is said aloud.")

    @model_validator(mode="after")
    def _check_sounder(self) -> Self:
        if self.sounder is not None and self.sounder.pin in self.turnstile.all_numbers:
            raise ValueError("sounder: needs a pin of its own")
        return self

    @property
    def numbers(self) -> tuple[int, ...]:
        """All pins of the lane."""
        return (*self.turnstile.all_numbers, *(() if self.sounder is None else (self.sounder.pin,)))

    @field_validator("source", mode="before")
    @classmethod
    def _read_source(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, dict):
            raise ValueError("expected a table with kind and its settings")
        path = value.get("path")
        settings = value | ({"path": folder_of(info) / path} if isinstance(path, str) and path else {})
        try:
            return read_source_config(settings)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None


class PagesTable(StrictTable):
    """The reader's own pages: each lane's screen for a browser, and overrides by staff. Without this table, none."""

    host: str = Field(
        default="127.0.0.1", min_length=1, description="The address to listen at; loopback unless it is said."
    )
    port: int = Field(default=8480, ge=0, le=65_535, description="Its TCP port; 0 for a free one, which the log names.")
    station_key_file: PathBeside | None = Field(
        default=None, description="A file whose first line is the key that overrides need; absent, none are taken."
    )


class MetricsTable(StrictTable):
    """Metrics for Prometheus, at `/metrics` of an address of their own. Without this table, none."""

    host: str = Field(default="127.0.0.1", min_length=1, description="The address to listen at, one of loopback.")
    port: int = Field(default=9480, ge=0, le=65_535, description="Its TCP port; 0 for a free one, which the log names.")
    beyond_loopback: bool = Field(
        default=False, description="Whether another address than loopback's is meant; whoever reaches it may read them."
    )


class ReaderTable(StrictTable):
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
    language: Literal["en", "zh", "ar"] = Field(default="en", description="What the screens speak, large.")
    also: list[Literal["en", "zh", "ar"]] | None = Field(
        default=None,
        description="What the screens speak besides, smaller below it; absent, English, or Chinese below English.",
    )
    status_form: Literal["standard", "compact"] = Field(
        default="standard",
        description="How snapshots of status lists come: as the standard has them, or, on a thin link, smaller.",
    )
    broker: BrokerTable | None = Field(default=None, description="The station's broker.")
    pages: PagesTable | None = Field(default=None, description="The reader's own pages.")
    metrics: MetricsTable | None = Field(default=None, description="Metrics for Prometheus.")
    seeing: SeeingTable | None = Field(default=None, description="What the eyes of all lanes have besides.")
    inputs: InputsTable | None = Field(default=None, description="Inputs that all lanes share.")
    station_box: StationBoxTable | None = Field(
        default=None, description="The station's box; with it and a broker the re-entry memory is the station's."
    )
    lanes: list[LaneTable] = Field(alias="lane", min_length=1, description="The lanes, each a [[lane]] table.")

    @field_validator("policy", mode="before")
    @classmethod
    def _read_policy(cls, value: object, info: ValidationInfo) -> object:
        try:
            if isinstance(value, str):
                return load_policy(folder_of(info) / value)
            return policy_from_mapping(value) if isinstance(value, dict) else value
        except (Malformed, ConfigurationError) as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _check_lanes(self) -> Self:
        names = [lane.name for lane in self.lanes]
        if len(set(names)) != len(names):
            raise ValueError("each lane needs a name of its own")
        for pins in Pins:
            numbers = [] if self.inputs is None or self.inputs.kind is not pins else self.inputs.numbers
            for lane in self.lanes:
                # Mock outputs of two lanes may be the same in a dry run; real ones, and inputs, move something.
                if lane.turnstile.kind is pins:
                    own = lane.numbers
                    numbers = [*numbers, *(own if pins is Pins.GPIO else own[3:])]
            if len(set(numbers)) != len(numbers):
                raise ValueError("each lane needs pins of its own")
        if self.station_box is not None and self.broker is None:
            raise ValueError("station_box needs a broker")
        return self

    @model_validator(mode="after")
    def _check_languages(self) -> Self:
        if self.also is not None and len({self.language, *self.also}) != 1 + len(self.also):
            raise ValueError("also: expected languages that are not said yet")
        return self

    @property
    def spoken(self) -> Language:
        """What the screens speak, large."""
        return Language(self.language)

    @property
    def spoken_also(self) -> tuple[Language, ...]:
        """What they speak below it."""
        if self.also is None:
            return (Language.CHINESE if self.spoken is Language.ENGLISH else Language.ENGLISH,)
        return tuple(map(Language, self.also))

    def spoken_by(self, table: SpeechTable) -> tuple[Language, ...]:
        """What a lane says aloud."""
        if table.languages is None:
            return (self.spoken, *self.spoken_also)
        return tuple(map(Language, table.languages))


def load_config(path: Path) -> tuple[ReaderTable, TrustSet]:
    """Read the file and the trust set that it names. Raises `ConfigurationError`."""
    table = read_table(path, ReaderTable)
    trust = load_trust_set(table.keys)
    if trust.network != table.network:
        raise ConfigurationError(
            f"configuration {path}: network: expected {trust.network!r}, which the keys are for, got {table.network!r}"
        )
    return table, trust
