"""What fails during the chaos run, from outside: processes, cables, and the meddler at the broker.

One fault of processes or cables at a time, each made, lasting a while, and taken back; the meddler does its part beside
them. Each kind comes once before any comes again, so that a short run has them all as far as its time goes. A freeze
(no head comes through for longer than the policy lets lists age) is noted from when until when it lasted.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos_system import ChaosServer
from waypass_simulator.brokers import LocalBroker
from waypass_simulator.faults.checks import Silence
from waypass_simulator.faults.meddler import Meddler
from waypass_simulator.relay import Relay

QUIET = (0.3, 2.0)
FIRST = ("frozen", "broker killed", "server killed")
"""A short run has these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """What faults are made on. `uplink` is between server and broker, `stations` between broker and readers."""

    broker: LocalBroker
    server: ChaosServer
    uplink: Relay
    stations: Sequence[Relay]
    meddler: Meddler


class Faults:
    """See the module's docstring. In seconds: `longest` is a fault's most, `freeze` a freeze's, `meddles` how far the
    meddler's doings are apart."""

    def __init__(self, targets: Targets, *, rng: random.Random, longest: float, freeze: float, meddles: float) -> None:
        self._targets = targets
        self._rng = rng
        self._longest = longest
        self._freeze = freeze
        self._meddles = meddles
        self.made: Counter[str] = Counter()
        self.silences: list[Silence] = []
        self._stopping = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guard, args=(work,), name="faults", daemon=True)
            for work in (self._make_faults, self._meddle)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No more, and all is well again; raises what went wrong in making a fault."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self.check()

    def check(self) -> None:
        """Raises what went wrong in making a fault."""
        if self._errors:
            raise self._errors[0]

    @property
    def kinds(self) -> dict[str, Callable[[], None]]:
        """All of them, by name."""
        targets = self._targets
        station: Callable[[], Relay] = lambda: self._rng.choice(targets.stations)  # noqa: E731
        return {
            "broker killed": self._broker_killed,
            "broker paused": lambda: self._for_a_while(targets.broker.pause, targets.broker.resume),
            "server killed": self._server_killed,
            "server paused": lambda: self._for_a_while(targets.server.pause, targets.server.resume),
            "uplink cut": lambda: self._for_a_while(targets.uplink.cut, targets.uplink.mend),
            "uplink delayed": lambda: self._delayed(targets.uplink),
            "frozen": self._frozen,
            "station cut": lambda: self._on(station(), Relay.cut),
            "station held": lambda: self._on(station(), Relay.hold),
            "station reset": lambda: station().reset(),
            "station delayed": lambda: self._delayed(station()),
        }

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by `stop`
            self._errors.append(error)

    def _make_faults(self) -> None:
        kinds = self.kinds
        for name in self._in_turn(sorted(kinds), first=FIRST):
            if self._stopping.wait(self._rng.uniform(*QUIET)):
                return
            kinds[name]()
            self.made[name] += 1

    def _meddle(self) -> None:
        for name in self._in_turn(sorted(self._targets.meddler.ways)):
            if self._stopping.wait(self._rng.uniform(0.5, 1.5) * self._meddles):
                return
            self._targets.meddler.meddle(name)

    def _in_turn(self, names: list[str], *, first: Sequence[str] = ()) -> Iterator[str]:
        yield from first
        names = [name for name in names if name not in first]
        while True:
            self._rng.shuffle(names)
            yield from names
            names = sorted({*names, *first})

    def _last(self, longest: float | None = None) -> None:
        self._stopping.wait(self._rng.uniform(0.1, longest or self._longest))

    def _for_a_while(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        begin()
        self._last()
        end()

    def _on(self, relay: Relay, fault: Callable[[Relay], None]) -> None:
        self._for_a_while(lambda: fault(relay), relay.mend)

    def _delayed(self, relay: Relay) -> None:
        self._for_a_while(lambda: relay.delay(self._rng.uniform(0.05, 0.5)), relay.mend)

    def _broker_killed(self) -> None:
        self._targets.broker.kill()
        self._last()
        self._targets.broker.start()

    def _server_killed(self) -> None:
        self._targets.server.kill()
        self._last()
        self._targets.server.start()

    def _frozen(self) -> None:
        self._targets.uplink.cut()
        start_ns = time.monotonic_ns()
        self._stopping.wait(self._freeze)
        self.silences.append(Silence(start_ns=start_ns, end_ns=time.monotonic_ns()))
        self._targets.uplink.mend()
