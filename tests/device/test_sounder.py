"""The tone at a gate: two that nobody takes for one another, none for red, and nothing that a lane waits for."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin
from tests.support.publishing import wait_for

from waypass_protocol.reasons import DECISIONS, Outcome, Reason
from waypass_reader.display import Display, Showing
from waypass_reader.hints import Hint
from waypass_reader.log import RecordingLog
from waypass_reader.mock_pins import Balk, BalkingFactory
from waypass_reader.sounder import (
    MELODIES,
    RHYTHMS,
    GpioSounder,
    Kind,
    RecordingSounder,
    SounderError,
    SoundingDisplay,
    Tone,
)
from waypass_reader.words import FreeWay

PIN = 12


class PitchPin(MockPWMPin):  # type: ignore[misc]  # gpiozero has no types
    """Remembers every pitch that it was given."""

    def __init__(self, factory: MockFactory, info: object) -> None:
        super().__init__(factory, info)
        self.pitches: list[int] = []
        self.broken = False

    @property
    def frequency(self) -> float | None:
        """As the mock has it."""
        return self._get_frequency()  # type: ignore[no-any-return]

    @frequency.setter
    def frequency(self, value: float | None) -> None:
        if self.broken:
            raise OSError("the pin's chip is gone")
        if value is not None and value != self._get_frequency():
            self.pitches.append(round(value))
        self._set_frequency(value)


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    factory = MockFactory(pin_class=PitchPin)
    yield factory
    factory.close()


def make(kind: Kind, factory: MockFactory, log: RecordingLog | None = None) -> GpioSounder:
    sounder = GpioSounder(kind, PIN, factory=factory, log=log or RecordingLog(), lane="north")
    factory.pin(PIN).pitches.clear()  # a pin is given one to begin with
    return sounder


def beeps(factory: MockFactory) -> int:
    """How often the buzzer began to sound."""
    states = [bool(each.state) for each in factory.pin(PIN).states]
    return sum(now and not before for before, now in pairwise(states))


def showing(reason: Reason) -> Showing:
    decision = DECISIONS[reason]
    return Showing(
        lane="north",
        outcome=decision.outcome,
        reason=reason,
        aspect=decision.aspect,
        frame_to_decision_ms=1.0,
        decode_ms=1.0,
        at=0.0,
    )


def test_the_two_tones_differ_by_pitch_direction_and_rhythm() -> None:
    go, wait = MELODIES[Tone.GO], MELODIES[Tone.WAIT]
    heard = {tone: [note.hertz for note in MELODIES[tone] if note.hertz] for tone in Tone}
    assert min(heard[Tone.GO]) > 1.9 * max(heard[Tone.WAIT])
    assert heard[Tone.GO] == sorted(heard[Tone.GO])
    assert heard[Tone.WAIT] == sorted(heard[Tone.WAIT], reverse=True)
    assert sum(note.seconds for note in go) < min(note.seconds for note in wait if note.hertz)
    assert [bool(note.hertz) for note in go] == [True, True]
    assert [bool(note.hertz) for note in wait] == [True, False, True]


def test_on_one_pitch_they_differ_by_rhythm() -> None:
    go, wait = RHYTHMS[Tone.GO], RHYTHMS[Tone.WAIT]
    assert [bool(note.hertz) for note in go] == [True]
    assert [bool(note.hertz) for note in wait] == [True, False, True]
    assert all(note.seconds > 3 * go[0].seconds for note in wait if note.hertz)


def test_there_are_two_tones_and_none_of_them_is_for_red() -> None:
    assert set(MELODIES) == set(RHYTHMS) == set(Tone) == {Tone.GO, Tone.WAIT}


@pytest.mark.parametrize(("tone", "pitches"), [(Tone.GO, [1175, 1568]), (Tone.WAIT, [587, 494])])
def test_a_tonal_buzzer_plays_the_notes_and_is_silent_then(
    factory: MockFactory, tone: Tone, pitches: list[int]
) -> None:
    sounder = make(Kind.TONAL, factory)
    pin = factory.pin(PIN)
    sounder.sound(tone)
    wait_for(lambda: pin.pitches == pitches and pin.frequency is None, what="the notes, and silence")
    sounder.close()


@pytest.mark.parametrize(("tone", "times"), [(Tone.GO, 1), (Tone.WAIT, 2)])
def test_a_buzzer_of_one_pitch_plays_the_rhythm(factory: MockFactory, tone: Tone, times: int) -> None:
    sounder = make(Kind.BUZZER, factory)
    sounder.sound(tone)
    wait_for(lambda: beeps(factory) == times and not factory.pin(PIN).state, what="the rhythm, and silence")
    sounder.close()
    assert beeps(factory) == times


def test_the_newest_tone_ends_the_one_that_sounds(factory: MockFactory) -> None:
    sounder = make(Kind.TONAL, factory)
    pin = factory.pin(PIN)
    sounder.sound(Tone.WAIT)
    wait_for(lambda: pin.pitches == [587], what="the first note")
    sounder.sound(Tone.GO)
    wait_for(lambda: pin.pitches[-1] == 1568 and pin.frequency is None, what="the other tone")
    sounder.close()
    assert pin.pitches == [587, 1175, 1568]


def test_quiet_ends_what_sounds(factory: MockFactory) -> None:
    sounder = make(Kind.BUZZER, factory)
    sounder.sound(Tone.WAIT)
    wait_for(lambda: bool(factory.pin(PIN).state), what="the first note")
    sounder.quiet()
    wait_for(lambda: not factory.pin(PIN).state, what="silence")
    sounder.close()
    assert beeps(factory) == 1


@pytest.mark.parametrize("kind", list(Kind))
def test_a_sounder_that_is_closed_gives_its_pin_back_in_the_middle_of_a_tone(factory: MockFactory, kind: Kind) -> None:
    first = make(kind, factory)
    first.sound(Tone.WAIT)
    first.close()
    make(kind, factory).close()


def test_a_pin_that_somebody_else_has_is_said(factory: MockFactory) -> None:
    first = make(Kind.BUZZER, factory)
    with pytest.raises(SounderError, match=r"sounder: pin 12 can't be used as tonal: .*GPIO12"):
        make(Kind.TONAL, factory)
    first.close()


def test_a_pin_without_pwm_plays_no_melody() -> None:
    plain = MockFactory()
    with pytest.raises(SounderError, match=r"pin 12 can't be used as tonal: PinPWMUnsupported"):
        GpioSounder(Kind.TONAL, PIN, factory=plain, log=RecordingLog(), lane="north")
    plain.close()


def test_a_sounder_that_fails_says_so_once_and_stops_nobody(factory: MockFactory) -> None:
    log = RecordingLog()
    sounder = make(Kind.TONAL, factory, log)
    factory.pin(PIN).broken = True
    sounder.sound(Tone.GO)
    wait_for(lambda: bool(log.lines), what="the report")
    sounder.sound(Tone.WAIT)
    factory.pin(PIN).broken = False
    sounder.close()
    assert log.lines == [
        ("the sounder fails; the gate is silent", {"lane": "north", "cause": "the pin's chip is gone"})
    ]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_pin_whose_driver_fails_is_said(kind: Kind) -> None:
    pins = BalkingFactory()
    pins.balks = frozenset({(PIN, Balk.CLAIM)})
    with pytest.raises(SounderError, match=f"sounder: pin 12 can't be used as {kind}: GPIO busy"):
        make(kind, pins)


def test_a_driver_that_fails_while_it_sounds_silences_it_and_stops_nobody() -> None:
    pins, log = BalkingFactory(), RecordingLog()
    sounder = GpioSounder(Kind.BUZZER, PIN, factory=pins, log=log, lane="north")
    pins.balks = frozenset({(PIN, Balk.ON), (PIN, Balk.GIVE_BACK)})
    sounder.sound(Tone.GO)
    wait_for(lambda: bool(log.lines), what="the report")
    sounder.close()
    pins.balks = frozenset()
    assert log.lines == [("the sounder fails; the gate is silent", {"lane": "north", "cause": "GPIO busy"})]


@pytest.mark.parametrize("reason", list(Reason))
def test_a_decision_sounds_by_its_outcome_alone(reason: Reason) -> None:
    sounder = RecordingSounder()
    SoundingDisplay(sounder).show(showing(reason))
    assert sounder.told == ["go" if DECISIONS[reason].outcome is Outcome.OPEN else "wait"]


def test_what_is_shown_besides_sounds_so() -> None:
    sounder = RecordingSounder()
    display: Display = SoundingDisplay(sounder)
    display.let_through("north")
    display.idle("north")
    display.hint("north", Hint.CLOSER)
    display.free("north", FreeWay.CROWD)
    display.free("north", FreeWay.EMERGENCY)
    display.out_of_order("north")
    display.close()
    assert sounder.told == ["go", "go", "quiet", "quiet", "close"]
