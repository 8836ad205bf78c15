"""Floors: what a reader must never fall behind, kept across restarts (wire format §4).

Each value remembers the `kid` of the key that set it, and lapses when that key leaves the trust set: whoever stole a
key and pushed a version to the sky has no more power than the key.

The JSON form is read strictly: exactly the members below, each of its type, otherwise `Malformed`.
"""

import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from waypass_protocol.cose import KID_LENGTH
from waypass_protocol.errors import Malformed
from waypass_protocol.keys import read_json_object

_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A number and the key that set it: a version, a sequence, or the `iat` of a head."""

    value: int
    kid: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Floors:
    """The highest version ever swapped in and the newest renewal, per list; the highest head sequence; the newest
    `iat` of any head that ever verified."""

    versions: Mapping[str, Mark] = field(default_factory=dict)
    renewals: Mapping[str, Mark] = field(default_factory=dict)
    sequence: Mark | None = None
    newest_head: Mark | None = None

    def without_keys_outside(self, kids: frozenset[bytes]) -> "Floors":
        """The floors that still hold when `kids` are the keys of the trust set.

        A renewal speaks of the version below it: without that floor an older list would take over its age.
        """
        versions = {uri: mark for uri, mark in self.versions.items() if mark.kid in kids}
        return Floors(
            versions=versions,
            renewals={uri: mark for uri, mark in self.renewals.items() if mark.kid in kids and uri in versions},
            sequence=self.sequence if self.sequence and self.sequence.kid in kids else None,
            newest_head=self.newest_head if self.newest_head and self.newest_head.kid in kids else None,
        )

    def with_version(self, uri: str, mark: Mark) -> "Floors":
        """The floors after a list was swapped in."""
        return replace(self, versions={**self.versions, uri: mark})

    def with_renewals(self, changes: Mapping[str, Mark | None]) -> "Floors":
        """The floors after a head: renewed lists get its mark, lists whose age became unknown lose theirs."""
        renewals = {**self.renewals, **changes}
        return replace(self, renewals={uri: mark for uri, mark in renewals.items() if mark is not None})

    def without_lists(self, uris: AbstractSet[str]) -> "Floors":
        """The floors without what they say of these lists."""
        if not uris:
            return self
        return replace(
            self,
            versions={uri: mark for uri, mark in self.versions.items() if uri not in uris},
            renewals={uri: mark for uri, mark in self.renewals.items() if uri not in uris},
        )

    def to_json(self) -> str:
        """The form that `read_floors` reads."""
        return json.dumps(
            {
                "format": _FORMAT,
                "versions": {uri: _mark_to_json(mark) for uri, mark in self.versions.items()},
                "renewals": {uri: _mark_to_json(mark) for uri, mark in self.renewals.items()},
                "sequence": self.sequence and _mark_to_json(self.sequence),
                "newest_head": self.newest_head and _mark_to_json(self.newest_head),
            }
        )


def read_floors(text: str | bytes) -> Floors:
    """Read the JSON form. Raises `Malformed`."""
    document = read_json_object(text, what="floors")
    expected = {"format", "versions", "renewals", "sequence", "newest_head"}
    if document.keys() != expected:
        raise Malformed(f"floors: expected members {sorted(expected)}, got {sorted(document)}")
    if type(document["format"]) is not int or document["format"] != _FORMAT:
        raise Malformed(f"floors: expected format {_FORMAT}, got {document['format']!r}")
    return Floors(
        versions=_read_marks(document["versions"], "floors: versions"),
        renewals=_read_marks(document["renewals"], "floors: renewals"),
        sequence=_read_optional(document["sequence"], _read_mark, "floors: sequence"),
        newest_head=_read_optional(document["newest_head"], _read_mark, "floors: newest_head"),
    )


def _mark_to_json(mark: Mark) -> dict[str, object]:
    return {"value": mark.value, "kid": mark.kid.hex()}


def _read_marks(value: object, what: str) -> dict[str, Mark]:
    if not isinstance(value, dict):
        raise Malformed(f"{what}: expected an object")
    return {uri: _read_mark(mark, what) for uri, mark in value.items()}


def _read_optional(value: Any, read: Callable[[Any, str], Mark], what: str) -> Mark | None:
    return None if value is None else read(value, what)


def _read_mark(value: Any, what: str) -> Mark:
    if not isinstance(value, dict) or value.keys() != {"value", "kid"}:
        raise Malformed(f"{what}: expected an object of value and kid")
    number, kid = value["value"], value["kid"]
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise Malformed(f"{what}: expected a whole number, got {number!r}")
    try:
        raw = bytes.fromhex(kid)
    except (TypeError, ValueError):
        raise Malformed(f"{what}: expected a kid in hex, got {kid!r}") from None
    if raw.hex() != kid:  # one kid has one spelling; the library also reads spaces and capitals
        raise Malformed(f"{what}: expected a kid in lowercase hex, got {kid!r}")
    if len(raw) != KID_LENGTH:
        raise Malformed(f"{what}: expected a kid of {KID_LENGTH} bytes, got {len(raw)}")
    return Mark(value=number, kid=raw)
