"""What a gate says aloud, for whoever sees neither lamp nor screen.

1. Only what is in `Saying` is ever spoken: go, please wait, a hint, out of order. Red, a reason, a name or a number is
   not: a whole hall hears it.
2. It is said in the configured languages, one after the other.
3. One thing at a time, and the newest wins: it ends what is being said. Other than *go*, which is for one person each
   time, what was said last is not said again within `REPEAT_NS`: a code that is held there makes no gate chatter.
4. A program speaks, `espeak-ng` or, for recorded words, `aplay`. It is started by a thread of its own with nothing to
   read, ended after `LONGEST_SECONDS`, and never holds up a lane: asking is to leave a note, and no note waits for
   another.
5. A program that is not there is reported at start, with the command that installs it; a recorded word that is not
   there is a fault of the configuration. A program that fails is reported once a minute. The gate goes on either way.
"""

import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from waypass_protocol.reasons import Outcome
from waypass_reader.clock import Clock
from waypass_reader.display import NoDisplay, Showing
from waypass_reader.errors import ConfigurationError, MissingLibrary
from waypass_reader.hints import Hint
from waypass_reader.log import Log, ReportLimiter
from waypass_reader.words import SAYINGS, FreeWay, Language, Saying

LONGEST_SECONDS = 10.0
REPEAT_NS = 5 * 10**9

# As espeak-ng calls them; zh is Mandarin, which the Debian package has.
VOICES: Mapping[Language, str] = {Language.ENGLISH: "en", Language.CHINESE: "cmn", Language.ARABIC: "ar"}


class Voice(Protocol):
    """How one thing is said in one language: the command that says it."""

    @property
    def program(self) -> str:
        """Its name, as it is found on the PATH."""

    def command(self, saying: Saying, language: Language) -> Sequence[str]:
        """The program, and what it is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EspeakVoice:
    """The synthetic voice of espeak-ng. `words_a_minute` is its speed; with `folder` it speaks into WAV files there
    instead of aloud, one for each thing and language: to hear them elsewhere, or to record a gate's words with."""

    words_a_minute: int = 150
    folder: Path | None = None
    program: str = "espeak-ng"

    def command(self, saying: Saying, language: Language) -> Sequence[str]:
        """Its own catalogue's words and nothing else; `--` so that no word is ever an option."""
        into = () if self.folder is None else ("-w", str(self.folder / file_name(saying, language)))
        text = SAYINGS[saying].spoken(language)
        return [self.program, "-v", VOICES[language], "-s", str(self.words_a_minute), *into, "--", text]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedVoice:
    """Recorded words: a folder with a WAV file for each thing and language, `go.en.wav`. `device` is ALSA's name for
    where they are heard; empty, its default."""

    folder: Path
    device: str = ""
    program: str = "aplay"

    def command(self, saying: Saying, language: Language) -> Sequence[str]:
        """The file by its name."""
        where = ("-D", self.device) if self.device else ()
        return [self.program, "-q", *where, "--", str(self.folder / file_name(saying, language))]

    def check(self, languages: Sequence[Language]) -> None:
        """Every file is there. Raises `ConfigurationError`."""
        names = [file_name(saying, language) for language in languages for saying in Saying]
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            raise ConfigurationError(
                f"speech {self.folder}: expected a WAV file for each thing that is said, {len(names)} in all; "
                f"missing {', '.join(missing)}"
            )


def file_name(saying: Saying, language: Language) -> str:
    """Of a recorded word."""
    return f"{saying.value}.{language.value}.wav"


PACKAGES: Mapping[str, str] = {"espeak-ng": "espeak-ng", "aplay": "alsa-utils"}


def find_program(voice: Voice, *, which: Callable[[str], str | None] = shutil.which) -> None:
    """Rule 5. Raises `MissingLibrary`."""
    if which(voice.program) is None:
        package = PACKAGES.get(voice.program, voice.program)
        raise MissingLibrary(f"speech needs {voice.program}, which is not installed: apt-get install {package}")


class Speaker(Protocol):
    """Says things; none of it waits or raises."""

    def say(self, saying: Saying) -> None:
        """Say it now, instead of what is being said."""

    def quiet(self) -> None:
        """End what is being said."""

    def close(self) -> None:
        """Nothing more will be said."""


class ProgramSpeaker:
    """Speaks through a program, as the module's docstring tells."""

    def __init__(self, voice: Voice, languages: Sequence[Language], *, clock: Clock, log: Log, lane: str) -> None:
        self._voice = voice
        self._languages = tuple(languages)
        self._clock = clock
        self._log = log
        self._lane = lane
        self._reports = ReportLimiter()
        self._changed = threading.Condition()
        self._number = 0
        self._wanted: Saying | None = None
        self._said: tuple[Saying, int] | None = None
        self._running: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"speech {lane}", daemon=True)
        self._thread.start()

    def say(self, saying: Saying) -> None:
        """Rules 3 and 4."""
        now_ns = self._clock.monotonic_ns()
        with self._changed:
            again = self._said is not None and self._said[0] is saying and now_ns - self._said[1] < REPEAT_NS
            if again and saying is not Saying.GO:
                return
            self._said = (saying, now_ns)
            self._want(saying)

    def quiet(self) -> None:
        """What is said next is no repetition."""
        with self._changed:
            self._said = None
            self._want(None)

    def close(self) -> None:
        """End the thread, and the program that runs."""
        with self._changed:
            self._ended = True
            self._want(None)
        self._thread.join(LONGEST_SECONDS)

    def _want(self, saying: Saying | None) -> None:
        self._wanted = saying
        self._number += 1
        self._changed.notify_all()
        if self._running is not None:
            self._running.kill()  # it has nothing to lose, and somebody waits

    def _run(self) -> None:
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._number != seen)  # type: ignore[misc]  # bound now
                if self._ended:
                    return
                seen, wanted = self._number, self._wanted
            for language in self._languages:
                if wanted is None or not self._speak(self._voice.command(wanted, language), seen):
                    break

    def _speak(self, command: Sequence[str], number: int) -> bool:
        """Run it to its end; whether nothing else is wanted meanwhile."""
        nothing = subprocess.DEVNULL
        try:
            # Without the lock, which a lane may want: starting a program takes a while.
            program = subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing)  # noqa: S603 - rule 1
        except OSError as error:
            self._report(f"{command[0]} can't be started: {error.strerror}")
            return self._number == number
        with self._changed:
            self._running = program
            if self._number != number:
                program.kill()
        try:
            code = program.wait(LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            program.kill()
            code = program.wait()
            self._report(f"{command[0]} went on for more than {LONGEST_SECONDS:g} s and was ended")
        with self._changed:
            self._running = None
            going_on = self._number == number
        if going_on and code > 0:
            self._report(f"{command[0]} ended with exit code {code}")
        return going_on

    def _report(self, cause: str) -> None:
        if self._reports.note(cause, now_ns=self._clock.monotonic_ns()):
            self._log.warning("nothing was spoken", lane=self._lane, cause=cause)


class RecordingSpeaker:
    """A speaker that nobody hears: remembers what it was asked to say. For tests, demonstrations and dry runs."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def say(self, saying: Saying) -> None:
        """Remember it."""
        self.told.append(saying.value)

    def quiet(self) -> None:
        """Remember it."""
        self.told.append("quiet")

    def close(self) -> None:
        """Remember it."""
        self.told.append("close")


class SpokenDisplay(NoDisplay):
    """A lane's display for the ear: what is shown, in the few words that may be spoken.

    In an emergency it is silent: the building's own announcements are what people should hear."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    def show(self, showing: Showing) -> None:
        """By the outcome alone: red sounds like any other wait."""
        self._speaker.say(Saying.GO if showing.outcome is Outcome.OPEN else Saying.WAIT)

    def let_through(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """As for any opening."""
        self._speaker.say(Saying.GO)

    def free(self, lane: str, why: FreeWay) -> None:  # noqa: ARG002 - the interface's shape
        """Once, when the lane begins to let everybody through."""
        if why is FreeWay.EMERGENCY:
            self._speaker.quiet()
        else:
            self._speaker.say(Saying.GO)

    def hint(self, lane: str, hint: Hint) -> None:  # noqa: ARG002 - the interface's shape
        """What to do."""
        self._speaker.say(Saying(hint.value))

    def out_of_order(self, lane: str) -> None:  # noqa: ARG002 - the interface's shape
        """So that nobody waits before it."""
        self._speaker.say(Saying.OUT_OF_ORDER)

    def close(self) -> None:
        """Nothing more."""
        self._speaker.close()
