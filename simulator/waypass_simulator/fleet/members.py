"""The members of a fleet: a full reader with its connection and its habit, and a light one with its connection alone.

A full one does over MQTT what a gate's reader does: says that it is online (its last will says offline), subscribes to
the head, then to all deltas, and to a list's snapshot only while it needs it; says its state after a change and every
30 s. It says it `SAY_AFTER` seconds after the change and not at once: all readers of a fleet share one processor, and
the last one's swap should not wait for what the first ones say.

A light one is connected and takes heads, whose signature it does not check. It stands for the load on a broker.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from waypass_protocol.assembly import Kind
from waypass_protocol.errors import Malformed
from waypass_protocol.messages import Presence, PresenceMessage, encode_message
from waypass_protocol.reasons import Reason
from waypass_protocol.topics import Topics
from waypass_simulator.fleet.habits import Habit, Step
from waypass_simulator.fleet.kept import DiskState
from waypass_simulator.fleet.link import Address, Link, Will
from waypass_simulator.fleet.reader import FleetReader, ShownPass

SAY_AFTER = 0.5
SAY_EVERY = 30.0
_NEAR = 40


class Member(Protocol):
    """What a fleet has many of."""

    link: Link

    def tick(self) -> None:
        """Every two seconds or so."""
        ...


class LightMember:
    """See the module's docstring."""

    def __init__(self, *, name: str, topics: Topics, address: Address, rng: random.Random) -> None:
        self._topics = topics
        self.heads = 0
        self.link = Link(
            name=f"waypass-{name}", address=address, rng=rng, on_connected=self._greet, on_message=self._take
        )

    def tick(self) -> None:
        """Stay connected."""
        self.link.tick()

    def _greet(self) -> None:
        self.link.subscribe((self._topics.head, 0))

    def _take(self, _topic: str, _payload: bytes) -> None:
        self.heads += 1


class FullMember:
    """See the module's docstring."""

    def __init__(
        self,
        *,
        reader: FleetReader,
        topics: Topics,
        address: Address,
        rng: random.Random,
    ) -> None:
        self.reader = reader
        self.happened: Counter[str] = Counter()
        self.reasons: Counter[Reason] = Counter()
        self.foreign_topics = 0
        self._topics = topics
        self._rng = rng
        self._asked: frozenset[str] = frozenset()
        self._saying: asyncio.TimerHandle | None = None
        self._said_at = 0.0
        self._front = 0
        offline = encode_message(PresenceMessage(presence=Presence.OFFLINE))
        self.link = Link(
            name=f"waypass-{reader.name}",
            address=address,
            rng=rng,
            on_connected=self._greet,
            on_message=self._take,
            will=Will(topic=topics.reader(reader.name, "presence"), payload=offline),
        )

    def follow(self, steps: Iterator[Step], start: float) -> None:
        """Let these things happen, one after the other; `start` is the fleet's, in the loop's time."""
        step = next(steps, None)
        if step is not None:
            asyncio.get_running_loop().call_at(start + step.at, self._begin, step, steps, start)

    def tick(self) -> None:
        """Stay connected, and say something of itself now and then."""
        self.link.tick()
        self.reader.tidy()
        if asyncio.get_running_loop().time() - self._said_at >= SAY_EVERY:
            self._say_soon()

    def show(self, passes: Sequence[ShownPass]) -> None:
        """Somebody comes with one of these; half of them with one near those that were withdrawn last."""
        number = self._rng.randrange(len(passes))
        if self._rng.random() < 0.5:
            number = min(max(self._front + self._rng.randint(-_NEAR, _NEAR), 0), len(passes) - 1)
        reason = self.reader.show(passes[number]).reason
        if reason is Reason.SUPERSEDED:
            self._front = max(self._front, number)
        self.reasons[reason] += 1

    def _begin(self, step: Step, steps: Iterator[Step], start: float) -> None:
        self.happened[step.habit.value] += 1
        match step.habit:
            case Habit.SLEEPER:
                self.link.close()
            case Habit.FLAPPING | Habit.REBOOTING:
                self.link.drop()
            case Habit.CLOCK:
                self.reader.clock_error = step.amount
                self._ask_again()
            case Habit.DISK:
                self.reader.disk_becomes(DiskState.FULL)
            case Habit.FULL_REBOOTING | Habit.BROKEN_REBOOTING:
                full = step.habit is Habit.FULL_REBOOTING
                self.reader.disk_becomes(DiskState.FULL if full else DiskState.BROKEN)
                asyncio.get_running_loop().call_at(start + step.at + step.lasts / 2, self._lose_all)
        asyncio.get_running_loop().call_at(start + step.at + step.lasts, self._end, step, steps, start)

    def _end(self, step: Step, steps: Iterator[Step], start: float) -> None:
        match step.habit:
            case Habit.REBOOTING:
                self.reader.reboot()
                self.link.open()
            case Habit.SLEEPER | Habit.FLAPPING:
                self.link.open()
            case Habit.CLOCK:
                self.reader.clock_error = 0.0
                self._ask_again()
            case Habit.DISK:
                self._mend_disk()
            case Habit.FULL_REBOOTING | Habit.BROKEN_REBOOTING:
                self._mend_disk()
                self.link.open()
        self.follow(steps, start)

    def _lose_all(self) -> None:
        """Memory and link; what it decides by then is what the disk kept."""
        self.link.drop()
        self.reader.reboot()

    def _mend_disk(self) -> None:
        if self.reader.disk_becomes(DiskState.OK):
            self._say_soon()

    def _ask_again(self) -> None:
        """The clock was set: what was refused for its time may be good now."""
        if self.reader.refused_for_time and self.link.connected:
            self.reader.refused_for_time = False
            self._subscribe()

    def _greet(self) -> None:
        online = encode_message(PresenceMessage(presence=Presence.ONLINE))
        self.link.publish(self._topics.reader(self.reader.name, "presence"), online, retain=True)
        self._subscribe()
        self._say_soon()

    def _subscribe(self) -> None:
        self._asked = frozenset()
        self.link.subscribe((self._topics.head, 0))
        self.link.subscribe((self._topics.all_deltas, 1))
        self._update_snapshots()

    def _take(self, topic: str, payload: bytes) -> None:
        try:
            status = self._topics.read_status(topic)
        except Malformed:
            self.foreign_topics += 1
            return
        receipt = self.reader.take(status.kind, payload, list_topic=status.list_name or None)
        self._update_snapshots()
        if receipt.swapped or (receipt.kept and status.kind is Kind.HEAD):
            self._say_soon()

    def _update_snapshots(self) -> None:
        wanted = self.reader.lists_wanted()
        if wanted == self._asked or not self.link.connected:
            return
        for name in sorted(wanted - self._asked):
            self.link.subscribe((self._topics.snapshot(name), 1))
        for name in sorted(self._asked - wanted):
            self.link.unsubscribe(self._topics.snapshot(name))
        self._asked = wanted

    def _say_soon(self) -> None:
        if self._saying is None:
            after = SAY_AFTER * self._rng.uniform(1.0, 2.0)
            self._saying = asyncio.get_running_loop().call_later(after, self._say)

    def _say(self) -> None:
        self._saying = None
        if not self.link.connected:
            return
        self._said_at = asyncio.get_running_loop().time()
        state = self.reader.state()
        self.link.publish(self._topics.reader(self.reader.name, "state"), encode_message(state), retain=True)
        self.reader.note_said(state)


def summary_of(member: FullMember) -> dict[str, Any]:
    """What a full member holds and what became of it."""
    held = member.reader.store.view.values()
    return {
        "reader": member.reader.name,
        "lists": {each.uri: [each.version, each.digest.hex(), each.renewed] for each in held},
        "connections": member.link.connections,
        "connected": member.link.connected,
        "reports": dict(sorted(member.reader.reports.items())),
        "happened": dict(sorted(member.happened.items())),
    }
