"""The soak's third lane: a camera of 30 frames a second that never stops, and a turnstile with a rotation sensor.

So the thread that takes the newest frame, the look at an empty lane, the joining of frames and the counting of entries
by the sensor go on for as long as the soak does. The same people walk up again and again, further apart than the gate
remembers who went in; their pictures are made before the soak begins.
"""

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

from gate_camera import PipeCamera
from gate_people import PERIOD_NS, Person, WalkUp, empty_hall, walk_up_of
from soak_hall import SCOPE, Issuer
from waypass_protocol.passes import Aspect
from waypass_reader.frames.base import Pixels
from waypass_simulator.camera import VGA
from waypass_simulator.carriers import Carrier
from waypass_simulator.difficulty import Level
from waypass_simulator.processes import Program, Stream

VIDEO: Final = "video"
PEOPLE: Final = 20
SLOT: Final = 200
"""Frames from one person to the next: twenty of them take longer than the two minutes that a gate remembers."""
HALL: Final = 60


class VideoLane:
    """Plays its people, and asks after each what the lane made of it."""

    def __init__(self, folder: Path, issuer: Issuer, *, seed: int, stopping: threading.Event) -> None:
        """Renders them first."""
        people = [
            Person(
                text=issuer.paper(place, {SCOPE: Aspect.GREEN}),
                seed=(seed, place),
                level=(Level.EASY, Level.MEDIUM)[number % 2],
                carrier=Carrier.PAPER,
                size=VGA,
            )
            for number, place in enumerate(issuer.place() for _ in range(PEOPLE))
        ]
        with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
            walk_ups = list(pool.map(walk_up_of, people))
        self._people: Sequence[WalkUp] = [each for each in walk_ups if each.first is not None]
        self._hall: Sequence[Pixels] = empty_hall(seed, VGA, count=HALL)
        self._camera = PipeCamera(folder / f"{VIDEO}.pipe", VGA)
        self._stopping = stopping
        self.shown = 0
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=VIDEO, daemon=True)

    @property
    def texts(self) -> list[str]:
        """What is shown."""
        return [each.person.text for each in self._people]

    def lines(self, reader: Program) -> list[dict[str, Any]]:
        """What the reader said of this lane."""
        lines = [json.loads(line) for line in reader.lines(Stream.STDOUT)]
        return [line for line in lines if line["lane"] == VIDEO]

    def _run(self) -> None:
        try:
            self._camera.open()
            due_ns = time.monotonic_ns()
            while not self._stopping.is_set():
                person = self._people[self.shown % len(self._people)]
                empty = [self._hall[number % HALL] for number in range(SLOT - len(person.frames))]
                self._camera.play([*person.frames, *empty], start_ns=due_ns)
                due_ns += SLOT * PERIOD_NS
                self.shown += 1
        except BaseException as error:  # noqa: BLE001 - the main thread looks
            self.error = error
            self._stopping.set()

    def close(self) -> None:
        """End the stream."""
        self._camera.close()
