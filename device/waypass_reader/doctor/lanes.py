"""What a lane has: a camera or a scanner, pins, a voice. Pins that all lanes share are looked at in the same way.

A named pipe is not opened. What is read from one is gone for whoever else reads it, so a reader that runs would get
half a frame; and its writer would be told that the pipe is broken when this program ends.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from waypass_reader.config import InputsTable, LaneTable, SeeingTable
from waypass_reader.doctor.findings import Finding
from waypass_reader.errors import ReaderError, SourceError, SourceLost
from waypass_reader.frames import FolderConfig, PipeConfig, SerialConfig, VideoConfig, WedgeConfig, open_source
from waypass_reader.frames.pipe import check_pipe
from waypass_reader.inputs import Contact, Level
from waypass_reader.log import RecordingLog
from waypass_reader.seeing.wechat import MakeDetector, open_wechat
from waypass_reader.sounder import GpioSounder
from waypass_reader.speech import RecordedVoice, find_program
from waypass_reader.turnstile import GpioTurnstile, Pins, make_pin_factory
from waypass_reader.words import Language

PATIENCE_SECONDS = 5.0
_BUSY = "if the reader is running, it has it: stop the reader and look again"
MakePins = Callable[[Pins], Any]


def look_at_eyes(lane: LaneTable) -> Finding:
    """A camera gives a frame; a scanner, a video or a folder can be opened; a pipe is there and may be read."""
    part = f"camera {lane.name}"
    config = lane.source
    try:
        if isinstance(config, PipeConfig):
            return Finding(part=part, well=True, says=_look_at_pipe(config))
        with open_source(config) as source:
            if isinstance(config, FolderConfig | VideoConfig | SerialConfig | WedgeConfig):
                return Finding(part=part, well=True, says="can be opened")
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                frame = source.next_frame(0.2)
                if frame is not None and hasattr(frame, "pixels"):
                    height, width = frame.pixels.shape
                    return Finding(part=part, well=True, says=f"gives frames of {width}x{height}")
            raise SourceLost(f"no frame within {PATIENCE_SECONDS:g} s, or one that never changes")
    except ReaderError as error:
        return Finding(part=part, well=False, says=str(error), remedy=f"do what is said there; {_BUSY}")


def _look_at_pipe(config: PipeConfig) -> str:
    check_pipe(config.path)
    if not os.access(config.path, os.R_OK):
        raise SourceError(f"pipe {config.path}: may not be read; give it to the reader's user")
    return f"{config.path} is a named pipe and may be read; its frames are left to the reader"


def look_at_pins(lane: LaneTable, *, make_pins: MakePins = make_pin_factory) -> Finding:
    """All of the lane can be had, its sounder's too; nothing is pulled."""
    part = f"pins {lane.name}"
    table = lane.turnstile
    if table.kind is Pins.MOCK:
        return Finding(part=part, well=True, says="mock: a dry run, nothing turns")
    outputs = {"relay": table.relay, "lamp_go": table.lamp_go, "lamp_wait": table.lamp_wait}
    heard = {"sensor": table.sensor, "button": table.button, "key": table.key}
    sounder = None if lane.sounder is None else lane.sounder.pin
    try:
        with ExitStack() as claimed:
            factory = make_pins(table.kind)
            claimed.callback(GpioTurnstile(table.wiring(), factory=factory).close)
            _claim_inputs(heard.values(), Level(table.active), factory, claimed)
            if lane.sounder is not None:
                kind, pin = lane.sounder.sounds_as, lane.sounder.pin
                claimed.callback(
                    GpioSounder(kind, pin, factory=factory, log=RecordingLog(), lane=f"{lane.name}, doctor").close
                )
    except ReaderError as error:
        return _pins_not_had(part, error)
    return _pins_had(part, {**outputs, "relay_sense": table.relay_sense, **heard, "sounder": sounder})


def look_at_inputs(table: InputsTable, *, make_pins: MakePins = make_pin_factory) -> Finding:
    """Those that all lanes share."""
    part = "pins of inputs"
    if table.kind is Pins.MOCK:
        return Finding(part=part, well=True, says="mock: a dry run, nobody turns a key")
    try:
        with ExitStack() as claimed:
            _claim_inputs(table.numbers, Level(table.active), make_pins(table.kind), claimed)
    except ReaderError as error:
        return _pins_not_had(part, error)
    return _pins_had(part, {"crowd_key": table.crowd_key, "release": table.release})


def _claim_inputs(numbers: Iterable[int | None], active: Level, factory: Any, claimed: ExitStack) -> None:
    for number in numbers:
        if number is not None:
            contact = Contact(number, active=active, factory=factory, log=RecordingLog(), tell=lambda _active: None)
            claimed.callback(contact.close)


def _pins_had(part: str, names: Mapping[str, int | None]) -> Finding:
    had = ", ".join(f"{name} {number}" for name, number in names.items() if number is not None)
    return Finding(part=part, well=True, says=f"can be had: {had or 'none is named'}")


def _pins_not_had(part: str, error: ReaderError) -> Finding:
    return Finding(
        part=part,
        well=False,
        says=str(error),
        remedy=f"see firmware-config/wiring.md; the reader's user belongs to the group gpio; {_BUSY}",
    )


def look_at_seeing(table: SeeingTable | None, *, make: MakeDetector | None) -> Finding:
    """The stage that not every gate has, where it is asked for."""
    part = "stage wechat"
    models = None if table is None else table.wechat_models
    if models is None:
        return Finding(part=part, well=True, says="not asked for; a gate can do without it")
    try:
        open_wechat(models, make=make)
    except ReaderError as error:
        remedy = "do what is said there, or leave wechat_models out; until then the lanes see without it"
        return Finding(part=part, well=False, says=str(error), remedy=remedy)
    return Finding(part=part, well=True, says=f"its models are in {models} and can be used")


def look_at_speech(
    lane: LaneTable, languages: Sequence[Language], *, which: Callable[[str], str | None] = shutil.which
) -> Iterator[Finding]:
    """The program is there, and every recorded word. Nothing is said aloud."""
    if lane.speech is None:
        return
    part = f"speech {lane.name}"
    voice = lane.speech.voice()
    try:
        if isinstance(voice, RecordedVoice):
            voice.check(languages)
    except ReaderError as error:
        remedy = "record them under these names, or make them with espeak-ng; without them the reader does not start"
        yield Finding(part=part, well=False, says=str(error), remedy=remedy)
    else:
        spoken = ", ".join(language.value for language in languages)
        yield Finding(part=part, well=True, says=f"every word is there, in {spoken}")
    part = f"speech program {lane.name}"
    try:
        find_program(voice, which=which)
    except ReaderError as error:
        yield Finding(part=part, well=False, says=str(error), remedy="install it; until then the lane does not speak")
    else:
        yield Finding(part=part, well=True, says=f"{voice.program} is installed")
