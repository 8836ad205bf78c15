"""Many readers over real connections, in one process and one event loop.

Readers are dealt out in turn, to the habits and then to the addresses, so that each habit is behind each cable.
Everything that is drawn comes from the seed. Times of swaps are noted when the reader's decisions see the new list.
"""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from waypass_protocol.admission import Gate
from waypass_protocol.keys import TrustSet
from waypass_protocol.topics import Topics
from waypass_simulator.errors import SimulatorError
from waypass_simulator.fleet.events import Events, Settling, cpu_ms
from waypass_simulator.fleet.habits import Habit, joins_at, steps_of
from waypass_simulator.fleet.link import Address
from waypass_simulator.fleet.members import FullMember, LightMember, Member, summary_of
from waypass_simulator.fleet.reader import FleetReader, ShownPass

TICK_SECONDS = 2.0
GOODBYE_SECONDS = 0.2
DO_SECONDS = 30.0
JOIN_SECONDS = 0.002
"""Between two readers that join at the start: a broker is asked by one after the other."""


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """A fleet. `pace`: about how many seconds lie between two things that happen to a reader; `calm_after`: none
    happens later than so many seconds after the start, None for never. `shows`: passes a second at each full reader;
    `make_reader` makes each full one."""

    trust: TrustSet
    addresses: Sequence[Address]
    readers: int
    light: int = 0
    prefix: str = "fleet"
    stations: Sequence[str] = ("fleet",)
    seed: int = 0
    habits: Sequence[Habit] = (Habit.STEADY,)
    pace: float = 20.0
    calm_after: float | None = None
    gate: Gate | None = None
    passes: Sequence[ShownPass] = ()
    shows: float = 0.0
    make_reader: Callable[..., FleetReader] = field(default=FleetReader)


class Fleet:
    """See the module's docstring. Everything but `stop` and `do` is for the thread that runs it."""

    def __init__(self, plan: FleetPlan, events: Events) -> None:
        self._plan = plan
        self._events = Settling(events, readers=plan.readers)
        self._topics = Topics(plan.trust.network)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._stop_asked = threading.Event()
        self._started = 0.0
        self.full = [self._make_full(number) for number in range(plan.readers)]
        self.light = [self._make_light(number) for number in range(plan.light)]

    async def run(self) -> None:
        """Until `stop`."""
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        if self._stop_asked.is_set():
            return
        self._started = self._loop.time()
        self._join_all(self._started)
        chores = [asyncio.create_task(self._tick())]
        if self._plan.passes and self._plan.shows > 0:
            chores.append(asyncio.create_task(self._show()))
        waits = asyncio.create_task(self._stopping.wait())
        try:
            # A chore that fails ends the fleet, and says why.
            done, _ = await asyncio.wait([waits, *chores], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (waits, *chores):
                task.cancel()
            for member in self.members:
                member.link.close()
            await asyncio.sleep(GOODBYE_SECONDS)
        self._events.tell("end", **self.summary())

    def stop(self) -> None:
        """Let `run` end; from any thread."""
        self._stop_asked.set()
        if self._loop is not None and self._stopping is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    def do(self, act: Callable[[], object]) -> None:
        """Do something between two messages, while it runs; done when this returns. From any other thread."""

        async def acting() -> None:
            act()

        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(acting(), self._loop).result(DO_SECONDS)

    @property
    def members(self) -> list[Member]:
        """Everybody."""
        return [*self.full, *self.light]

    def summary(self) -> dict[str, Any]:
        """What everybody holds, and what happened."""
        reasons: Counter[str] = Counter()
        for member in self.full:
            reasons.update({reason.value: count for reason, count in member.reasons.items()})
        return {
            "readers": [summary_of(member) for member in self.full],
            "light": {
                "readers": len(self.light),
                "connections": sum(each.link.connections for each in self.light),
                "heads": sum(each.heads for each in self.light),
            },
            "decisions": dict(sorted(reasons.items())),
            "cpu_ms": cpu_ms(),
        }

    def _make_full(self, number: int) -> FullMember:
        plan = self._plan
        name = f"{plan.prefix}-{number + 1}"
        return FullMember(
            reader=plan.make_reader(
                name=name,
                station=plan.stations[number % len(plan.stations)],
                trust=plan.trust,
                events=self._events,
                gate=plan.gate,
            ),
            topics=self._topics,
            address=plan.addresses[number // len(plan.habits) % len(plan.addresses)],
            rng=_draw(plan.seed, name),
        )

    def _make_light(self, number: int) -> LightMember:
        name = f"{self._plan.prefix}-light-{number + 1}"
        address = self._plan.addresses[number % len(self._plan.addresses)]
        return LightMember(name=name, topics=self._topics, address=address, rng=_draw(self._plan.seed, name))

    def _join_all(self, start: float) -> None:
        plan, loop = self._plan, asyncio.get_running_loop()
        until = float("inf") if plan.calm_after is None else plan.calm_after
        for number, member in enumerate(self.full):
            habit = plan.habits[number % len(plan.habits)]
            rng = _draw(plan.seed, f"{habit} {number}")
            at = joins_at(habit, rng, 2 * plan.pace if plan.calm_after is None else plan.calm_after)
            loop.call_at(start + number * JOIN_SECONDS + at, member.link.open)
            member.follow(steps_of(habit, rng, pace=plan.pace, until=until), start)
        for number, light in enumerate(self.light, len(self.full)):
            loop.call_at(start + number * JOIN_SECONDS, light.link.open)

    async def _tick(self) -> None:
        """Everybody once in `TICK_SECONDS`, a few at a time, so that nothing else waits for long."""
        while True:
            for number, member in enumerate(self.members):
                member.tick()
                if number % 16 == 15:
                    await asyncio.sleep(0)
            await asyncio.sleep(TICK_SECONDS)

    async def _show(self) -> None:
        """People come to all gates in turn."""
        pause = 1.0 / (self._plan.shows * len(self.full))
        due = asyncio.get_running_loop().time()
        while True:
            for member in self.full:
                member.show(self._plan.passes)
                # Who falls behind does not catch up: changes go before people here.
                due = max(due + pause, asyncio.get_running_loop().time())
                await asyncio.sleep(due - asyncio.get_running_loop().time())


def _draw(seed: int, what: str) -> random.Random:
    """What is drawn for one thing, whatever is drawn for others."""
    return random.Random(f"{seed} {what}")  # noqa: S311 - it simulates chance


@contextmanager
def running(plan: FleetPlan, events: Events) -> Iterator[Fleet]:
    """A fleet on a thread of its own. Raises `SimulatorError` at the end when it failed."""
    fleet = Fleet(plan, events)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(fleet.run())
        except BaseException as error:  # noqa: BLE001 - told at the end of the block
            failed.append(error)

    thread = threading.Thread(target=work, name="fleet", daemon=True)
    thread.start()
    try:
        yield fleet
    finally:
        fleet.stop()
        thread.join()
    if failed:
        raise SimulatorError(f"the fleet failed: {failed[0]!r}") from failed[0]
