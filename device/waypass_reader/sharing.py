"""The re-entry memory that a station's readers share: keys from the station's box, marks over the station's broker.

1. A thread of its own asks the box for its keys: every `ASK_SECONDS`, and soon when a mark under an unknown key comes.
   Keys live in memory. One that the box has not confirmed for longer than its own life is not used any more.
2. When a pass has opened a lane, its marks are published after the barrier moved; when nobody walked through, that
   they are taken back. When another reader says so, it is noted.
3. Without box, keys or broker this reader decides by its own memory, and says so in its health.
4. Own words that the broker sends back are noted nowhere, but they are the proof that it carries such words: it may
   grant the subscription and keep back what comes under it. None within `BACK_SECONDS`, and the health says so. After
   each connection, and while one is missed, this reader asks by a word about nobody (`NOBODYS`, taken back).
5. No decision waits for any of it: what a decision asks is in memory, and asking takes no lock.

Nothing of it is logged but what became of the box and of the broker, and nothing of it is ever on a disk.
"""

import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from waypass_protocol.errors import Malformed
from waypass_protocol.messages import ReentryMessage, read_message
from waypass_protocol.passes import Place
from waypass_protocol.reentry import KEY_LIFE, Memo, StationMark
from waypass_protocol.station_reentry import MAX_ANSWER, StationReentry, read_station_keys
from waypass_reader.clock import Clock
from waypass_reader.errors import ReaderError
from waypass_reader.log import Log

ASK_SECONDS = 30.0
SOON_SECONDS = 1.0
ANSWER_SECONDS = 3.0
WORD_SECONDS = 3.0
BACK_SECONDS = 10.0
WELL = "ok"
ALONE = "this reader remembers alone: the station box gives no keys"
CUT_OFF = "this reader remembers alone: there is no connection to the station's broker"
UNHEARD = (
    "this reader remembers alone: the broker does not send back what it says of re-entry; "
    "look at the broker's access list (station-acl)"
)
NOBODYS = "0" * 64
"""A mark that no pass has."""


class KeysNotGiven(ReaderError):
    """The box could not be asked, or gave none; the message says why."""


class KeySource(Protocol):
    """Where the station's keys come from."""

    def ask(self) -> bytes:
        """The box's answer as it came. May take seconds. Raises `KeysNotGiven`."""


@dataclass(frozen=True, kw_only=True)
class HttpKeySource:
    """A station box at its address; `key` is the station's."""

    address: str
    key: str = field(repr=False)
    timeout: float = ANSWER_SECONDS

    def ask(self) -> bytes:
        """`GET reentry-keys`."""
        base = urlsplit(self.address)
        kind = http.client.HTTPSConnection if base.scheme == "https" else http.client.HTTPConnection
        connection = kind(base.hostname or "", base.port, timeout=self.timeout)
        try:
            headers = {"Authorization": f"Bearer {self.key}"}
            connection.request("GET", f"{base.path.rstrip('/')}/reentry-keys", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise KeysNotGiven(f"station box: expected 200 for its keys, got {answer.status}")
            return answer.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise KeysNotGiven(f"station box: it can't be reached ({type(error).__name__})") from error
        finally:
            connection.close()


class GivenKeys:
    """A box that is not there: gives what it was given, or nothing. For tests and dry runs."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer
        self.asked = 0

    def ask(self) -> bytes:
        """The answer."""
        self.asked += 1
        if self.answer is None:
            raise KeysNotGiven("station box: it can't be reached (it is not there)")
        return self.answer


class Sharing:
    """One reader's part in it; `publish` is given what the other readers are told, and never waits."""

    def __init__(
        self,
        *,
        reader: str,
        reentry: int,
        source: KeySource,
        publish: Callable[[ReentryMessage], None],
        clock: Clock,
        log: Log,
        connected: Callable[[], bool] = lambda: True,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`connected`: whether the broker has this reader. `changed` is called when `health` says something else."""
        self._reader = reader
        self._source = source
        self._publish = publish
        self._clock = clock
        self._log = log
        self._connected = connected
        self._changed = changed
        self._memory = StationReentry(reentry=reentry)
        self._changing = threading.Lock()  # between the threads that change the memory; who asks it takes none
        self._confirmed_ns: int | None = None
        self._told_alone = False
        self._told_health = ALONE
        self._epoch = ""
        # Rule 4. Each is set in one step, so that no thread waits for another: at worst one more word is said.
        self._proven = False
        self._waits_since_ns: int | None = None
        self._said_ns = 0
        self._ending = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._keep_asking, name="station keys", daemon=True)

    def start(self) -> None:
        """Begin to ask for keys, in the background; a box that is not there is no error."""
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._ending.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(ANSWER_SECONDS)

    @property
    def health(self) -> str:
        """ "ok", or that this reader remembers alone, and why."""
        since_ns = self._waits_since_ns
        if self._confirmed_ns is None:
            return ALONE
        if not self._connected():
            return CUT_OFF
        if since_ns is not None and self._clock.monotonic_ns() - since_ns >= BACK_SECONDS * 1e9:
            return UNHEARD
        return WELL

    def __len__(self) -> int:
        """How many openings of others are remembered."""
        return len(self._memory)

    def opened_within(self, place: Place, seconds: int, now: int) -> bool:
        """Whether another reader of the station opened a lane for it less than `seconds` before `now`."""
        return self._memory.opened_within(place, seconds, now)

    def marks(self, place: Place) -> tuple[StationMark, ...]:
        """What the others will know it by."""
        return self._memory.marks(place)

    def tell(self, memo: Memo, *, opened: bool) -> None:
        """Rule 2."""
        for epoch, mark in memo.shared:
            self._say(ReentryMessage(epoch=epoch, mark=mark.hex(), opened=opened))

    def hear(self, reader: str, payload: bytes) -> None:
        """What another reader said. Raises `Malformed`."""
        message = read_message("reentry", payload)
        if not isinstance(message, ReentryMessage):
            return
        if reader == self._reader:
            self._proven, self._waits_since_ns = True, None
            self._tell_health()
            return
        if not self._memory.knows(message.epoch):
            self._wake.set()
        with self._changing:
            self._memory.hear(reader, message, int(self._clock.now()))

    def forget(self) -> None:
        """Drop what is past its time, keys too, and look whether own words come back."""
        with self._changing:
            confirmed_ns = self._confirmed_ns
            if confirmed_ns is not None and self._clock.monotonic_ns() - confirmed_ns > KEY_LIFE * 10**9:
                self._confirmed_ns = None
                self._memory.use(())
            self._memory.forget(int(self._clock.now()))
        self._look_for_own_words()
        self._tell_health()

    def ask(self) -> None:
        """Rule 1: once, now."""
        try:
            given = read_station_keys(self._source.ask())
        except (KeysNotGiven, Malformed) as error:
            if not self._told_alone:
                self._told_alone = True
                self._log.warning("the station box gives no keys; re-entry is remembered alone", cause=str(error))
            return
        if self._told_alone:
            self._told_alone = False
            self._log.info("the station box gives keys")
        with self._changing:
            self._memory.use(given.keys)
            self._epoch = given.keys[0].epoch
            self._confirmed_ns = self._clock.monotonic_ns()
        self._tell_health()

    def _say(self, message: ReentryMessage) -> None:
        """What is said without a connection is lost, and waited for by nobody."""
        if self._connected():
            self._said_ns = now_ns = self._clock.monotonic_ns()
            if self._waits_since_ns is None:
                self._waits_since_ns = now_ns
        self._publish(message)

    def _look_for_own_words(self) -> None:
        """Rule 4."""
        if self._confirmed_ns is None or not self._connected():
            self._proven, self._waits_since_ns = False, None
            return
        since_ns, now_ns = self._waits_since_ns, self._clock.monotonic_ns()
        gap = ASK_SECONDS if self.health == UNHEARD else WORD_SECONDS
        if (since_ns is None and not self._proven) or (since_ns is not None and now_ns - self._said_ns >= gap * 1e9):
            self._say(ReentryMessage(epoch=self._epoch, mark=NOBODYS, opened=False))

    def _tell_health(self) -> None:
        health = self.health
        before, self._told_health = self._told_health, health
        if health == before:
            return
        if health == UNHEARD:
            self._log.warning("what this reader says of re-entry does not come back; look at the broker's access list")
        elif before == UNHEARD and health == WELL:
            self._log.info("what this reader says of re-entry comes back")
        self._changed()

    def _keep_asking(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            try:
                self.ask()
            except Exception as error:  # noqa: BLE001 - the next try may work, and nobody else would make it
                self._log.warning("an unforeseen error while asking for the station's keys", kind=type(error).__name__)
            # Not at once again, whatever is heard: somebody may send marks under keys that never were.
            self._ending.wait(SOON_SECONDS)
            self._wake.wait(ASK_SECONDS - SOON_SECONDS)
