"""Whether faults did harm: a fleet's events against what was true.

What must hold, each with the name under which a breach of it is counted:

- `not-current`: at the end every full reader holds each list in the server's version, with the server's digest
- `lost`: every place whose withdrawal was committed is invalid in the newest version, and the server's digest is that
  of this version
- `twice`: each such place became invalid in one version only, no version was signed with two contents, and no reader
  swapped a version in twice
- `forged`: every version that a reader swapped in was published, and has its digest
- `older`: no reader swapped in a version below one that it had; where it rebooted with a disk that took nothing, below
  one that it had told anybody of
- `forgot`: a reader that rebooted with such a disk holds each list that it had told anybody of
- `opened`: no pass was let in by a reader that had told anybody that it holds the version with its withdrawal, or that
  held it
- `too-old`: while no head could come, no pass was let in later than the policy allows
- `unknown`: the witness heard every version, otherwise nothing of this is sure

`Judge` takes events in their order, so that a long run's need not be in memory at once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from waypass_protocol.bits import INVALID, status_at
from waypass_protocol.passes import Place
from waypass_simulator.faults.witness import Truth
from waypass_simulator.fleet.kept import DiskState

EXAMPLES = 3
BREACHES = ("not-current", "lost", "twice", "forged", "older", "forgot", "opened", "too-old", "unknown")
NS = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """From when until when no head could reach any reader; monotonic nanoseconds."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the events are held against. `withdrawn`: the place of each pass whose withdrawal was committed, by number;
    `served`: version and hex digest of each list at the server; `stale`: the policy's, with a little for rounding."""

    truth: Truth
    withdrawn: Mapping[int, Place]
    served: Mapping[str, tuple[int, str]]
    silences: Sequence[Silence] = ()
    stale: float = 0.0


@dataclass(kw_only=True)
class Judge:
    """See the module's docstring. `breaches` counts by name, `examples` has the first of each."""

    facts: Facts
    breaches: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    _highest: dict[tuple[str, str], int] = field(default_factory=dict)
    _said: dict[str, dict[str, int]] = field(default_factory=dict)
    _swapped: dict[tuple[str, str], set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What can be told without any reader."""
        truth = self.facts.truth
        for uri, version in truth.missed:
            self._breach("unknown", f"version {version} of {uri} was not heard")
        for uri, version in truth.signed_twice:
            self._breach("twice", f"version {version} of {uri} was signed with two contents")
        for number, place in self.facts.withdrawn.items():
            if status_at(truth.packed[place.uri], place.idx) != INVALID:
                self._breach("lost", f"pass {number} is not withdrawn in the newest version")
            if len(truth.withdrawn.get(place, ())) > 1:
                self._breach("twice", f"pass {number} was withdrawn in more than one version")
        for uri, (version, digest) in self.facts.served.items():
            if truth.digests.get((uri, version)) != digest or truth.newest.get(uri) != version:
                self._breach("lost", f"the server has {uri} in version {version}, others heard {truth.newest.get(uri)}")

    def take(self, event: Mapping[str, Any]) -> None:
        """The next event."""
        self.seen[event["event"]] += 1
        match event["event"]:
            case "swap":
                self._take_swap(event)
            case "said":
                said = self._said.setdefault(event["reader"], {})
                said[event["list"]] = max(event["version"], said.get(event["list"], 0))
            case "reboot":
                self._take_reboot(event)
            case "open":
                self._take_open(event)
            case "end":
                for reader in event["readers"]:
                    self._take_end(reader)

    def _take_swap(self, event: Mapping[str, Any]) -> None:
        reader, uri, version = event["reader"], event["list"], event["version"]
        what = f"{reader}: version {version} of {uri}"
        if self.facts.truth.digests.get((uri, version)) != event["digest"]:
            self._breach("forged", f"{what} with another digest than was published")
        highest = self._highest.get((reader, uri), 0)
        if version < highest:
            self._breach("older", f"{what} after {highest}")
        self._highest[reader, uri] = max(version, highest)
        if not event["restored"]:
            swapped = self._swapped.setdefault((reader, uri), set())
            if version in swapped:
                self._breach("twice", f"{what} was swapped in before")
            swapped.add(version)

    def _take_reboot(self, event: Mapping[str, Any]) -> None:
        """What a disk did not take has to come again, and may: from the version on that the reader had told of."""
        if event["disk"] == DiskState.OK:
            return
        reader = event["reader"]
        said = self._said.get(reader, {})
        for (name, uri), versions in self._swapped.items():
            if name == reader:
                versions -= {version for version in versions if version > said.get(uri, 0)}
        if event["disk"] == DiskState.FULL:  # which takes floors
            return
        for uri in [uri for name, uri in self._highest if name == reader]:
            self._highest[reader, uri] = said.get(uri, 0)
        for uri in said.keys() - event["lists"].keys():
            self._breach("forgot", f"{reader}: it had told of version {said[uri]} of {uri}")

    def _take_open(self, event: Mapping[str, Any]) -> None:
        number, reader = event["pass"], event["reader"]
        place = self.facts.withdrawn.get(number)
        versions = [] if place is None else self.facts.truth.withdrawn.get(place, [])
        knew = max(event["said"], event["held"])
        if versions and min(versions) <= knew:
            self._breach("opened", f"{reader}: pass {number}, withdrawn in {min(versions)}, while it knew {knew}")
        for silence in self.facts.silences:
            if silence.start_ns + self.facts.stale * NS < event["at_ns"] < silence.end_ns:
                self._breach("too-old", f"{reader}: pass {number}, long after the last head")

    def _take_end(self, reader: Mapping[str, Any]) -> None:
        for uri, (version, digest) in self.facts.served.items():
            held = reader["lists"].get(uri)
            if held is None or (held[0], held[1]) != (version, digest):
                holds = "nothing" if held is None else f"version {held[0]}"
                self._breach("not-current", f"{reader['reader']}: {holds} of {uri}, the server has {version}")

    def _breach(self, name: str, example: str) -> None:
        self.breaches[name] += 1
        examples = self.examples.setdefault(name, [])
        if len(examples) < EXAMPLES:
            examples.append(example)
