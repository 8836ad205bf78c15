"""What the reader tells the one who supervises it, in systemd's protocol (sd_notify) and without a library.

1. `READY=1` when the lanes look, `STOPPING=1` when it ends, and one `STATUS=` line whenever it changed
2. `WATCHDOG=1` at each look, as long as every part makes steps of its own. A part that hangs is logged once, and from
   then on nothing more is said, so that the reader is ended and started anew
3. a lane that is out of order does not hang: its thread goes on trying. A camera's driver that hangs has a thread of
   its own, so it makes its lane out of order and no more
4. without `NOTIFY_SOCKET` nobody is told, and nothing is missing

Nothing here raises: a supervisor that can't be reached must not end a gate.
"""

import socket
from collections.abc import Mapping, Sequence

from waypass_reader.log import Log

HANGS_NS = 20 * 10**9
"""A part that made no step for so long hangs."""


class Notifier:
    """Datagrams to the socket that the supervisor named."""

    def __init__(self, address: str | None) -> None:
        """A path, or `@` and an abstract name; None for nobody."""
        self._address = None if not address else f"\0{address[1:]}" if address.startswith("@") else address

    def say(self, *lines: str) -> None:
        """Assignments such as `READY=1`, in one datagram."""
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            pass  # nobody listens, or its queue is full: the next look says it again


def notifier_of(environment: Mapping[str, str]) -> Notifier:
    """The notifier for what a process was started with."""
    return Notifier(environment.get("NOTIFY_SOCKET"))


class Supervision:
    """What was said, and what is to be said next. Used from one thread."""

    def __init__(self, notifier: Notifier, *, log: Log) -> None:
        self._notifier = notifier
        self._log = log
        self._status = ""
        self._hung: tuple[str, ...] = ()

    def ready(self) -> None:
        """The lanes look."""
        self._notifier.say("READY=1")

    def look(self, *, hangs: Sequence[str], status: str) -> None:
        """Rules 1 and 2: `hangs` names the parts that do."""
        told = []
        if status != self._status:
            told.append(f"STATUS={status}")
            self._status = status
        if not hangs:
            told.append("WATCHDOG=1")
        if tuple(hangs) != self._hung:
            self._hung = tuple(hangs)
            if hangs:
                self._log.warning("a part hangs; the watchdog is not told that all is well", parts=list(hangs))
            else:
                self._log.info("no part hangs any more")
        if told:
            self._notifier.say(*told)

    def stopping(self) -> None:
        """It ends as it was told to."""
        self._notifier.say("STOPPING=1", "STATUS=ending")


def status_line(*, lanes: Mapping[str, bool], lists: int, oldest: int | None, connected: bool | None) -> str:
    """One line for `systemctl status`: which lanes work, the lists and their age, the broker (None: there is none)."""
    broken = [name for name, works in lanes.items() if not works]
    parts = [f"{len(lanes)} lanes" if len(lanes) != 1 else "1 lane"]
    if broken:
        parts.append(f"out of order: {', '.join(broken)}")
    # In minutes: a status that changes every second is none.
    age = "of unknown age" if oldest is None else "current" if oldest < 60 else f"up to {oldest // 60} min old"
    parts.append(f"{lists} lists, {age}" if lists else "no lists")
    if connected is not None:
        parts.append("broker connected" if connected else "no broker")
    return "; ".join(parts)
