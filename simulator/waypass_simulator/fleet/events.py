"""What a fleet tells of itself: one JSON object a line, in the order in which it happened.

`at_ns` is the machine's monotonic clock, which is the same in every process of one machine. Passes are named by their
number in the file that the fleet was given: no text of a pass, no index and no key is in an event.

- `swap`: a full reader's decisions see a version from now on; `digest` is of what it holds, `restored` when it came
  from the reader's disk after a reboot
- `reboot`: a full reader lost its memory; `disk` is how its disk was then (`kept.DiskState`), `lists` the versions of
  the lists that it holds by what its disk kept, before the `swap` of each
- `said`: a reader told the broker which version of a list it holds
- `open`: a reader let a pass in; `list` is where the pass stands, `said` the highest version that this reader ever
  told anybody of that list, `renewed` the head's time (UNIX seconds) from which the list's age is counted
- `settled`: every full reader has swapped this version in, which is told when none of them slept or skipped it;
  `first_ns` and `last_ns` are of their swaps, `cpu_ms` is what the whole process has used of a processor until then,
  `swaps_cpu_ms` since the first of these swaps
- `end`: what each full reader holds, and counts of everything else
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO


class Events(Protocol):
    """Where they go."""

    def tell(self, event: str, **members: Any) -> None:
        """Something happened."""
        ...


class WrittenEvents:
    """One JSON object a line. `only`: those that are written; all, when it is empty."""

    def __init__(self, file: TextIO, *, only: frozenset[str] = frozenset()) -> None:
        self._file = file
        self._only = only

    def tell(self, event: str, **members: Any) -> None:
        """Write a line."""
        if not self._only or event in self._only:
            self._file.write(json.dumps({"event": event, **members}, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """What was written so far can be read."""
        self._file.flush()


class Tail:
    """Reads a file of events while it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0

    def new(self) -> Iterator[Mapping[str, Any]]:
        """Those that were written whole since the last time."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._at += len(line)
                yield json.loads(line)


class HeardEvents:
    """Remembers them in this process: for tests."""

    def __init__(self) -> None:
        self.all: list[Mapping[str, Any]] = []

    def tell(self, event: str, **members: Any) -> None:
        """Remember it."""
        self.all.append({"event": event, **members})

    def of(self, event: str) -> list[Mapping[str, Any]]:
        """Those of one kind."""
        return [each for each in self.all if each["event"] == event]


class Settling:
    """Passes events on, and tells `settled` when all of so many readers have swapped in a version."""

    def __init__(self, events: Events, *, readers: int) -> None:
        self._events = events
        self._readers = readers
        self._swaps: dict[tuple[str, int], _Swaps] = {}

    def tell(self, event: str, **members: Any) -> None:
        """Pass it on, and count it when it is a swap."""
        self._events.tell(event, **members)
        if event == "swap" and not members["restored"]:
            self._count(members["list"], members["version"], members["at_ns"])

    def _count(self, uri: str, version: int, at_ns: int) -> None:
        swaps = self._swaps.get((uri, version))
        if swaps is None:
            swaps = self._swaps[uri, version] = _Swaps(first_ns=at_ns, first_cpu_ms=cpu_ms())
        swaps.count += 1
        if swaps.count < self._readers:
            return
        used = cpu_ms()
        self._events.tell(
            "settled",
            list=uri,
            version=version,
            first_ns=swaps.first_ns,
            last_ns=at_ns,
            cpu_ms=used,
            swaps_cpu_ms=used - swaps.first_cpu_ms,
        )
        # What never settles, because somebody slept through it, is not waited for.
        self._swaps = {key: value for key, value in self._swaps.items() if key[0] != uri or key[1] > version}


@dataclass(kw_only=True, slots=True)
class _Swaps:
    """How many readers have a version, and when the first had it."""

    first_ns: int
    first_cpu_ms: float
    count: int = 0


def cpu_ms() -> float:
    """What this process has used of a processor."""
    return time.process_time_ns() / 1e6
