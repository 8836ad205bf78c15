"""What a gate says aloud: only its own words, one thing at a time, by a program that no lane waits for.

What is played is heard with a voice whose program is Python, and with the real espeak-ng where it is installed.
"""

import shutil
import sys
import wave
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.publishing import wait_for

from waypass_protocol.reasons import DECISIONS, Outcome, Reason
from waypass_reader.clock import ManualClock
from waypass_reader.display import Display, Showing
from waypass_reader.errors import ConfigurationError, MissingLibrary
from waypass_reader.hints import Hint
from waypass_reader.log import RecordingLog
from waypass_reader.speech import (
    LONGEST_SECONDS,
    REPEAT_NS,
    VOICES,
    EspeakVoice,
    ProgramSpeaker,
    RecordedVoice,
    RecordingSpeaker,
    SpokenDisplay,
    Voice,
    file_name,
    find_program,
)
from waypass_reader.words import SAYINGS, FreeWay, Language, Saying

ENGLISH, CHINESE, ARABIC = Language.ENGLISH, Language.CHINESE, Language.ARABIC
# Writes that it began, speaks until a file is there, and writes that it ended.
SPEAK = """
import pathlib, sys, time
book, what, until = sys.argv[1:]
def note(text):
    with open(book, "a", encoding="utf-8") as file:
        file.write(text + "\\n")
note("begin " + what)
while until and not pathlib.Path(until).exists():
    time.sleep(0.01)
note("end " + what)
"""


@dataclass(frozen=True, kw_only=True)
class NotingVoice:
    """A voice that notes in a file what it says, and goes on for as long as the test wants."""

    folder: Path
    long: frozenset[Saying] = frozenset()
    program: str = sys.executable

    def command(self, saying: Saying, language: Language) -> Sequence[str]:
        until = str(self.folder / "enough") if saying in self.long else ""
        return [self.program, "-S", "-c", SPEAK, str(self.folder / "book"), f"{saying} {language}", until]

    def noted(self) -> list[str]:
        book = self.folder / "book"
        return book.read_text(encoding="utf-8").splitlines() if book.exists() else []


@dataclass(kw_only=True)
class Made:
    """A speaker, and what it is asked."""

    voice: Voice
    languages: Sequence[Language] = (ENGLISH,)
    clock: ManualClock = field(default_factory=lambda: ManualClock(0))
    log: RecordingLog = field(default_factory=RecordingLog)
    speaker: ProgramSpeaker = field(init=False)

    def __post_init__(self) -> None:
        self.speaker = ProgramSpeaker(self.voice, self.languages, clock=self.clock, log=self.log, lane="north")


Make = Callable[..., Made]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Made] = []

    def one(voice: Voice, *languages: Language) -> Made:
        made.append(Made(voice=voice, languages=languages or (ENGLISH,)))
        return made[-1]

    yield one
    for each in made:
        each.speaker.close()


def test_it_is_said_in_every_language_one_after_the_other(make: Make, tmp_path: Path) -> None:
    voice = NotingVoice(folder=tmp_path)
    make(voice, CHINESE, ENGLISH).speaker.say(Saying.WAIT)
    said = ["begin please-wait zh", "end please-wait zh", "begin please-wait en", "end please-wait en"]
    wait_for(lambda: voice.noted() == said, what="both languages")


def test_the_newest_wins_and_ends_what_is_being_said(make: Make, tmp_path: Path) -> None:
    voice = NotingVoice(folder=tmp_path, long=frozenset({Saying.WAIT}))
    speaker = make(voice, ENGLISH, CHINESE).speaker
    speaker.say(Saying.WAIT)
    wait_for(lambda: voice.noted() == ["begin please-wait en"], what="the first words")
    speaker.say(Saying.GO)
    wait_for(lambda: "end go zh" in voice.noted(), what="the newer words")
    assert voice.noted() == ["begin please-wait en", "begin go en", "end go en", "begin go zh", "end go zh"]


def test_asking_waits_for_nothing_while_a_program_speaks(make: Make, tmp_path: Path) -> None:
    """All this while one that would never end by itself is speaking; only the last is said."""
    voice = NotingVoice(folder=tmp_path, long=frozenset(Saying) - {Saying.GO})
    speaker = make(voice).speaker
    for _ in range(100):
        for saying in (Saying.CLOSER, Saying.TILT, Saying.WAIT):
            speaker.say(saying)
    speaker.say(Saying.GO)
    wait_for(lambda: "end go en" in voice.noted(), what="the newest words")
    assert [line for line in voice.noted() if line.startswith("end")] == ["end go en"]


def test_quiet_ends_it_and_close_does_too(make: Make, tmp_path: Path) -> None:
    voice = NotingVoice(folder=tmp_path, long=frozenset({Saying.WAIT}))
    made = make(voice)
    for end in (made.speaker.quiet, made.speaker.close):
        before = len(voice.noted())
        made.speaker.say(Saying.WAIT)
        wait_for(lambda before=before: len(voice.noted()) == before + 1, what="that it begins")  # type: ignore[misc]
        end()
    (tmp_path / "enough").touch()
    assert voice.noted() == ["begin please-wait en"] * 2
    assert made.log.lines == []


def test_the_same_is_not_said_again_at_once_but_go_is_for_each_person(make: Make, tmp_path: Path) -> None:
    voice = NotingVoice(folder=tmp_path)
    made = make(voice)

    def say(saying: Saying, *, ends: int) -> None:
        made.speaker.say(saying)
        wait_for(lambda: voice.noted().count(f"end {saying} en") == ends, what=f"{saying} for the {ends}. time")

    say(Saying.WAIT, ends=1)
    made.speaker.say(Saying.WAIT)
    say(Saying.GO, ends=1)
    say(Saying.GO, ends=2)
    say(Saying.WAIT, ends=2)
    made.clock.advance(REPEAT_NS / 1e9)
    say(Saying.WAIT, ends=3)


@pytest.mark.parametrize(
    ("name", "program", "cause"),
    [
        ("fails", shutil.which("false") or "", "ended with exit code 1"),
        ("is not there", "/no/such/program", "can't be started: No such file or directory"),
    ],
)
def test_a_program_that_fails_is_reported_and_the_gate_goes_on(
    make: Make, tmp_path: Path, name: str, program: str, cause: str
) -> None:
    made = make(RecordedVoice(folder=tmp_path, program=program))
    made.speaker.say(Saying.WAIT)
    wait_for(lambda: bool(made.log.lines), what=f"a report that it {name}")
    made.speaker.say(Saying.GO)
    made.speaker.close()
    assert made.log.lines == [("nothing was spoken", {"lane": "north", "cause": f"{program} {cause}"})]


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("saying", list(Saying))
def test_a_command_has_the_catalogue_s_words_and_nothing_that_came_from_outside(
    saying: Saying, language: Language, tmp_path: Path
) -> None:
    words = SAYINGS[saying].spoken(language)
    assert EspeakVoice().command(saying, language) == [
        *("espeak-ng", "-v", VOICES[language], "-s", "150", "--", words),
    ]
    name = f"{saying}.{language}.wav"
    assert RecordedVoice(folder=tmp_path).command(saying, language) == ["aplay", "-q", "--", str(tmp_path / name)]
    assert RecordedVoice(folder=tmp_path, device="hw:1").command(saying, language) == [
        *("aplay", "-q", "-D", "hw:1", "--", str(tmp_path / name)),
    ]


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        (EspeakVoice(), "speech needs espeak-ng, which is not installed: apt-get install espeak-ng"),
        (RecordedVoice(folder=Path()), "speech needs aplay, which is not installed: apt-get install alsa-utils"),
    ],
)
def test_a_missing_program_is_said_with_the_command_that_installs_it(voice: Voice, message: str) -> None:
    asked: list[str] = []
    with pytest.raises(MissingLibrary, match=message):
        find_program(voice, which=asked.append)
    assert asked == [voice.program]
    find_program(voice, which=lambda name: f"/usr/bin/{name}")


def test_every_recorded_word_has_to_be_there(tmp_path: Path) -> None:
    for saying in Saying:
        (tmp_path / file_name(saying, ENGLISH)).touch()
    voice = RecordedVoice(folder=tmp_path)
    voice.check([ENGLISH])
    (tmp_path / "go.en.wav").unlink()
    with pytest.raises(
        ConfigurationError, match=r"a WAV file for each thing that is said, 7 in all; missing go\.en\.wav"
    ):
        voice.check([ENGLISH])
    with pytest.raises(ConfigurationError, match=r"14 in all; missing go\.en\.wav, go\.ar\.wav, please-wait\.ar\.wav"):
        voice.check([ENGLISH, ARABIC])


@pytest.mark.parametrize("language", list(Language))
def test_espeak_ng_says_every_word_in_every_language(make: Make, tmp_path: Path, language: Language) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    made = make(EspeakVoice(folder=tmp_path), language)
    lengths: dict[Saying, float] = {}
    for saying in Saying:
        path = tmp_path / file_name(saying, language)
        made.speaker.say(saying)
        wait_for(lambda path=path: _seconds(path) > 0, what=f"{path.name}")  # type: ignore[misc]
        lengths[saying] = _seconds(path)
    made.speaker.close()
    assert made.log.lines == []
    assert all(0.3 < seconds < LONGEST_SECONDS for seconds in lengths.values()), lengths
    RecordedVoice(folder=tmp_path).check([language])


def _seconds(path: Path) -> float:
    """How long a WAV file is; 0 while it is not written to its end, which is when its length is filled in."""
    try:
        with wave.open(str(path)) as file:
            frames = file.getnframes()
            whole = path.stat().st_size >= frames * file.getsampwidth()
            return frames / file.getframerate() if whole else 0
    except (OSError, EOFError, wave.Error):
        return 0


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


@pytest.mark.parametrize("reason", list(Reason))
def test_a_decision_is_spoken_by_its_outcome_alone(reason: Reason) -> None:
    speaker = RecordingSpeaker()
    SpokenDisplay(speaker).show(showing(reason))
    assert speaker.told == ["go" if DECISIONS[reason].outcome is Outcome.OPEN else "please-wait"]


def test_what_is_shown_besides_is_spoken_so() -> None:
    speaker = RecordingSpeaker()
    display: Display = SpokenDisplay(speaker)
    display.idle("north")
    for hint in Hint:
        display.hint("north", hint)
    display.let_through("north")
    display.free("north", FreeWay.CROWD)
    display.free("north", FreeWay.EMERGENCY)
    display.out_of_order("north")
    display.close()
    assert speaker.told == [
        *("closer", "hold-still", "tilt", "brighter", "go", "go", "quiet", "out-of-order", "close"),
    ]
