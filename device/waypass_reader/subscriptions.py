"""What a client asked its broker for, and what the broker refused: that is asked for again.

A refusal need not be for good. A node of a cluster refuses while the others choose who leads them. So a filter that was
refused is due again after a second, then twice as long each time, at most every 30 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt

FIRST_NS = 10**9
LAST_NS = 30 * 10**9


@dataclass(kw_only=True, slots=True)
class _Wish:
    """A filter with its QoS. `due_ns`: when to ask again, None while it is granted or not answered."""

    qos: int
    pause_ns: int = FIRST_NS
    due_ns: int | None = None


class Subscriptions:
    """The filters of one client. One thread at a time; times are monotonic."""

    def __init__(self) -> None:
        self.refused: frozenset[str] = frozenset()
        """What the broker refused last, to be read from any thread."""
        self._wishes: dict[str, _Wish] = {}
        self._asked: dict[int, str] = {}

    def forget(self) -> None:
        """The connection is a new one: nothing is subscribed."""
        self.refused = frozenset()
        self._wishes.clear()
        self._asked.clear()

    def subscribe(self, client: mqtt.Client, topic_filter: str, qos: int) -> None:
        """Ask for it, also when it was granted before: the broker then sends anew what it holds."""
        self._wishes.setdefault(topic_filter, _Wish(qos=qos)).due_ns = None
        _, number = client.subscribe(topic_filter, qos)
        if number is not None:
            self._asked[number] = topic_filter

    def unsubscribe(self, client: mqtt.Client, topic_filter: str) -> None:
        """It is not wanted any more."""
        self.refused -= {topic_filter}
        self._wishes.pop(topic_filter, None)
        client.unsubscribe(topic_filter)

    def answered(self, number: int, codes: Sequence[Any], now_ns: int) -> None:
        """The broker's answer to one `subscribe`."""
        topic_filter = self._asked.pop(number, "")
        wish = self._wishes.get(topic_filter)
        if wish is None:
            return  # not wanted any more
        if any(code.is_failure for code in codes):
            self.refused |= {topic_filter}
            wish.due_ns = now_ns + wish.pause_ns
            wish.pause_ns = min(2 * wish.pause_ns, LAST_NS)
        else:
            self.refused -= {topic_filter}
            wish.pause_ns = FIRST_NS

    def ask_again(self, client: mqtt.Client, now_ns: int) -> None:
        """Ask once more for what was refused, where it is time."""
        for topic_filter, wish in self._wishes.items():
            if wish.due_ns is not None and now_ns >= wish.due_ns:
                self.subscribe(client, topic_filter, wish.qos)
