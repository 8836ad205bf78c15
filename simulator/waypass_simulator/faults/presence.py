"""Somebody who stays with a broker whatever becomes of it, on a thread of their own: a connection of the fleet's kind,
with an event loop for itself alone.

Not paho's own thread: that waits with `select`, which takes no descriptor of 1,024 or more, and the process of a chaos
run holds every connection that goes over a cable twice.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence

from waypass_simulator.fleet.link import Address, Link

TICK_SECONDS = 5.0


class Presence:
    """Connected, and connected again after each end, until `close`. What is heard arrives on its thread."""

    def __init__(
        self,
        *,
        name: str,
        address: Address,
        topics: Sequence[tuple[str, int]],
        on_message: Callable[[str, bytes], None],
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`topics` with their QoS; `on_change` is told what became of the connection."""
        self._topics = topics
        self._on_change = on_change
        self._loop = asyncio.new_event_loop()
        self._link = Link(
            name=name,
            address=address,
            rng=random.Random(name),  # noqa: S311 - when to try again
            on_connected=self._greet,
            on_message=on_message,
            on_subscribed=lambda: on_change("subscribed"),
            on_lost=lambda: on_change("lost"),
        )
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """With QoS 1, if anybody is there. Called from any thread, and not after `close`."""
        self._loop.call_soon_threadsafe(lambda: self._link.publish(topic, payload, retain=retain))

    def close(self) -> None:
        """Leave; the second time it has left already."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._link.open)
        self._loop.call_later(TICK_SECONDS, self._tick)
        self._loop.run_forever()
        self._loop.close()

    def _greet(self) -> None:
        self._on_change("connected")
        self._link.subscribe(*self._topics)

    def _tick(self) -> None:
        self._link.tick()
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _leave(self) -> None:
        self._link.close()
        self._loop.stop()
