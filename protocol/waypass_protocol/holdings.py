"""What a reader says of the lists that it holds: the rows of its `state` (wire format §8).

1. Decisions are made by the lists in memory, as soon as they are there. `rows` tells of these.
2. What leaves the reader is `said`: of each list the newest version that was on its disk with all that rebuilds it.
   Whoever hears it takes it for an acknowledgement, and that has to hold after a power cut too.
3. So a version that is not on the disk yet is not said, but the one before it, with the age that this one had; and of
   a list of which nothing is on the disk nothing is said.

One thread calls what changes it; `rows` and `said` are called from any.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from waypass_protocol.assembly import HeldList
from waypass_protocol.messages import HeldRow


@dataclass(frozen=True, kw_only=True, slots=True)
class _Said:
    """A list in a version that is on the disk. `renewed`: as in `HeldList`; `since`: when it was swapped in."""

    version: int
    digest: bytes
    renewed: int | None
    since: float

    def is_of(self, held: HeldList) -> bool:
        return (self.version, self.digest) == (held.version, held.digest)


class Holdings:
    """See the module's docstring. `view` is always the store's, as it is after the change."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._behind: set[str] = set()
        self._said: Mapping[str, _Said] = MappingProxyType({})

    @property
    def behind(self) -> frozenset[str]:
        """The lists of which memory holds what was not on the disk when this was asked last."""
        return frozenset(self._behind)

    def swapped(self, uris: Iterable[str], *, now: float) -> None:
        """Decisions see these lists in a new version."""
        swapped = dict.fromkeys(uris, now)
        self._since |= swapped
        self._behind |= swapped.keys()

    def dropped(self, uris: Iterable[str]) -> None:
        """These lists are held no more."""
        gone = frozenset(uris)
        for uri in gone:
            self._since.pop(uri, None)
        self._behind -= gone
        self._said = {uri: said for uri, said in self._said.items() if uri not in gone}

    def renewed(self, view: Mapping[str, HeldList]) -> None:
        """A head may have changed the age of any list."""
        self._said = {
            uri: replace(said, renewed=held.renewed) if (held := view.get(uri)) and said.is_of(held) else said
            for uri, said in self._said.items()
        }

    def written(self, view: Mapping[str, HeldList], uris: Iterable[str]) -> bool:
        """What rebuilds these lists as they are in `view` is on the disk. True when something else is said now."""
        fresh = {
            uri: _Said(version=held.version, digest=held.digest, renewed=held.renewed, since=self._since.get(uri, 0.0))
            for uri in self._behind.intersection(uris)
            if (held := view.get(uri))
        }
        self._behind -= fresh.keys()
        if fresh:
            self._said = {**self._said, **fresh}
        return bool(fresh)

    def rows(self, view: Mapping[str, HeldList], *, now: float) -> tuple[HeldRow, ...]:
        """Rule 1."""
        return tuple(
            HeldRow(
                uri=held.uri,
                version=held.version,
                digest=held.digest.hex(),
                age=held.age(int(now)),
                since=self._since.get(held.uri, now),
            )
            for held in view.values()
        )

    def said(self, *, now: float) -> tuple[HeldRow, ...]:
        """Rules 2 and 3."""
        return tuple(
            HeldRow(
                uri=uri,
                version=said.version,
                digest=said.digest.hex(),
                age=None if said.renewed is None else int(now) - said.renewed,
                since=said.since,
            )
            for uri, said in self._said.items()
        )
