"""What fails during the soak: each fault is made, lasts a while, and is taken back.

None of them loses a decision that was made, so that counts can be exact: a camera goes between two people, and a broker
is killed only after what it had accepted was passed on.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from soak_hall import NETWORK, Issuer
from waypass_protocol.topics import Topics
from waypass_reader.scanners.doubles import PtyScanner
from waypass_simulator.brokers import LocalBroker
from waypass_simulator.relay import Relay

DRAIN_SECONDS = 0.5


class PluggedScanner:
    """A scanner whose cable can be pulled; `link` is the name under which the reader finds it."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self.lock = threading.Lock()
        self.plug()

    def plug(self) -> None:
        """Plug it in; it is another device, under the old name."""
        self.pty = PtyScanner()
        self._link.symlink_to(self.pty.path)

    def unplug(self) -> None:
        """Pull its cable."""
        self._link.unlink()
        self.pty.unplug()


class Faults:
    """Makes one fault after the other in a thread of its own, until it is told to stop; then all is well again."""

    def __init__(
        self,
        *,
        rng: random.Random,
        broker: LocalBroker,
        relay: Relay,
        scanner: PluggedScanner,
        folder: Path,
        issuer: Issuer,
        server: Callable[[], None],
        publish: Callable[[str, bytes], None],
    ) -> None:
        """`server` publishes everything anew; `publish` sends one message."""
        self._rng = rng
        self._broker = broker
        self._relay = relay
        self._scanner = scanner
        self._frames = folder / "frames"
        self._messages = folder / "state" / "messages"
        self._issuer = issuer
        self._server = server
        self._publish = publish
        self.camera_lock = threading.Lock()
        self.made: Counter[str] = Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """No more faults; raises what went wrong in making one."""
        self._stopping.set()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        faults = {
            "camera away": self._camera_away,
            "scanner unplugged": self._scanner_unplugged,
            "link cut": self._link_cut,
            "broker paused": self._broker_paused,
            "broker killed": self._broker_killed,
            "state folder gone": self._state_gone,
            "disk full": self._disk_full,
            "forged messages": self._forged,
        }
        try:
            while not self._stopping.wait(self._rng.uniform(0.5, 4.0)):
                name = self._rng.choice(sorted(faults))
                faults[name]()
                self.made[name] += 1
        except BaseException as error:  # noqa: BLE001 - raised again by `stop`
            self.error = error

    def _last(self, most: float) -> None:
        self._stopping.wait(self._rng.uniform(0.2, most))

    def _camera_away(self) -> None:
        away = self._frames.with_name("frames-away")
        with self.camera_lock:
            self._frames.rename(away)
            self._last(4.0)
            away.rename(self._frames)

    def _scanner_unplugged(self) -> None:
        with self._scanner.lock:
            self._scanner.unplug()
            self._last(4.0)
            self._scanner.plug()

    def _link_cut(self) -> None:
        self._relay.cut()
        self._last(6.0)
        self._relay.mend()

    def _broker_paused(self) -> None:
        self._broker.pause()
        self._last(6.0)
        self._broker.resume()

    def _broker_killed(self) -> None:
        self._relay.cut()
        time.sleep(DRAIN_SECONDS)  # what it accepted goes on to whoever counts
        self._broker.kill()
        self._last(4.0)
        self._broker.start()
        self._server()
        self._relay.mend()

    def _state_gone(self) -> None:
        away = self._messages.with_name("messages-away")
        self._messages.rename(away)
        self._last(4.0)
        away.rename(self._messages)

    def _disk_full(self) -> None:
        """Writing the newest head really fails with ENOSPC."""
        temporary = self._messages / "newest.head.new"
        standing = self._messages / "soak.new"
        standing.symlink_to("/dev/full")
        standing.replace(temporary)
        self._last(4.0)
        temporary.unlink(missing_ok=True)

    def _forged(self) -> None:
        topics = Topics(NETWORK)
        for topic in (topics.head, topics.snapshot("1"), topics.delta("1", self._issuer.version + 1)):
            self._publish(topic, self._issuer.forged(self._rng))
