"""Programs of a living demonstration that end by themselves are started again.

A program that ended is started again after a moment: whoever ends everything, ends programs one by one. The wait
doubles while that does not help, up to `LONGEST_SECONDS`. A program that is not there at all was taken away on purpose.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.errors import SimulatorError
from waypass_simulator.processes import Program

LOOK_SECONDS: Final = 0.5
FIRST_SECONDS: Final = 1.5
LONGEST_SECONDS: Final = 60.0
LIVED_SECONDS: Final = 30.0
"""A program that ran for so long has been helped."""

Note = Callable[[str], None]


@dataclass(kw_only=True)
class Keeper:
    """Keeps one program running. `program` gives the one that there is, `start` makes another."""

    name: str
    program: Callable[[], Program | None]
    start: Callable[[], None]
    note: Note
    wait: float = FIRST_SECONDS
    again_at: float | None = None
    started_at: float = 0.0

    def look(self, now: float) -> None:
        """Look after it; `now` is monotonic seconds."""
        program = self.program()
        if program is None or program.exit_code is None:
            self.again_at = None
            if now - self.started_at > LIVED_SECONDS:
                self.wait = FIRST_SECONDS
        elif self.again_at is None:
            self.again_at = now + self.wait
            self.note(f"{self.name} ended with {program.exit_code}; it is started again in {self.wait:.1f} s.")
        elif now >= self.again_at:
            self.again_at, self.started_at = None, now
            self.wait = min(2 * self.wait, LONGEST_SECONDS)
            program.close()
            try:
                self.start()
            except SimulatorError as error:
                self.note(f"{self.name}: {error}")


def keepers(deployment: Deployment, note: Note) -> list[Keeper]:
    """One for each program of a deployment."""
    return [
        Keeper(name="The broker", program=lambda: deployment.broker, start=deployment.start_broker, note=note),
        Keeper(name="The server", program=lambda: deployment.server, start=deployment.start_server, note=note),
        Keeper(name="The station's box", program=lambda: deployment.station, start=deployment.start_station, note=note),
        Keeper(name="The other stations", program=lambda: deployment.fleet, start=deployment.start_city, note=note),
        *(
            Keeper(name=name, program=lambda gate=gate: gate.program, start=gate.launch_again, note=note)  # type: ignore[misc]
            for name, gate in deployment.gates.items()
        ),
    ]


def keep_running(all_keepers: Sequence[Keeper], stop: threading.Event) -> None:
    """Look after them until told to stop."""
    while not stop.wait(LOOK_SECONDS):
        for keeper in all_keepers:
            keeper.look(time.monotonic())
