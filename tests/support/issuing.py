"""A small issuing side for tests: keys, passes, presentations and signed status messages.

Everything is made from numbers: the same arguments give the same keys and the same claims, at times that the test
names. It uses the protocol alone, so that it serves tests of the reader, the simulator and the system alike.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from waypass_protocol import bits
from waypass_protocol.keys import HolderSigner, MemorySigner, TrustSet, Use
from waypass_protocol.passes import Aspect, Pass, Place, pass_text, sign_pass
from waypass_protocol.presentation import present
from waypass_protocol.status import (
    Delta,
    Head,
    HeadRow,
    Snapshot,
    sign_compact,
    sign_delta,
    sign_head,
    sign_snapshot,
)

NOW = 1_800_000_000
HOUR = 3600
NETWORK = "metro"
URI = "wp:17"
SCOPE = 1


def signer(number: int) -> MemorySigner:
    """An issuer's key; another number, another key."""
    return MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"issuer %d" % number).digest()))


def holder(number: int = 1) -> HolderSigner:
    """A wallet's key; another number, another key."""
    return HolderSigner(ec.derive_private_key(1000 + number, ec.SECP256R1()))


@dataclass(frozen=True, kw_only=True, slots=True)
class Issuer:
    """A network that issues: one key for passes, one for status, and the trust set with both."""

    network: str
    passes: MemorySigner
    status: MemorySigner
    trust: TrustSet

    def paper(
        self,
        *,
        idx: int = 5,
        aspects: Mapping[int, Aspect] | None = None,
        iat: int = NOW - HOUR,
        life: int = 24 * HOUR,
        uri: str = URI,
        hint: str | None = None,
    ) -> str:
        """The text of a paper pass, green in `SCOPE` unless `aspects` says otherwise."""
        place = Place(uri=uri, idx=idx)
        pass_ = Pass(iat=iat, exp=iat + life, place=place, aspects=aspects or {SCOPE: Aspect.GREEN}, hint=hint)
        return pass_text(sign_pass(pass_, self.passes))

    def bound(
        self,
        *,
        idx: int = 5,
        aspects: Mapping[int, Aspect] | None = None,
        iat: int = NOW - HOUR,
        life: int = 24 * HOUR,
        uri: str = URI,
        owner: HolderSigner | None = None,
    ) -> bytes:
        """The COSE_Sign1 of a bound pass for `owner` (by default holder 1)."""
        pass_ = Pass(
            iat=iat,
            exp=iat + life,
            place=Place(uri=uri, idx=idx),
            aspects=aspects or {SCOPE: Aspect.GREEN},
            holder=(owner or holder()).key,
        )
        return sign_pass(pass_, self.passes)

    def presentation(
        self,
        *,
        t: int = NOW,
        idx: int = 5,
        aspects: Mapping[int, Aspect] | None = None,
        uri: str = URI,
        owner: HolderSigner | None = None,
    ) -> str:
        """The text that a wallet shows at `t` for a bound pass issued an hour before `t`."""
        owner = owner or holder()
        bound = self.bound(idx=idx, aspects=aspects, iat=t - HOUR, uri=uri, owner=owner)
        return present(bound, t=t, network=self.network, holder=owner)

    def status_list(self, uri: str = URI) -> "IssuedList":
        """A new list, every index valid, at version 1."""
        return IssuedList(issuer=self, uri=uri)

    def head(self, *lists: "IssuedList", sequence: int = 1, iat: int = NOW) -> bytes:
        """The signed head that names these lists as they are now."""
        rows = tuple(each.row() for each in lists)
        return sign_head(Head(network=self.network, iat=iat, sequence=sequence, rows=rows), self.status)


@dataclass(kw_only=True, slots=True)
class IssuedList:
    """A status list as its issuer keeps it; each change makes a new version."""

    issuer: Issuer
    uri: str
    version: int = 1
    packed: bytes = field(default=bytes(bits.LIST_BYTES), repr=False)

    def snapshot(self, *, iat: int = NOW, life: int = 24 * HOUR) -> bytes:
        """The signed list as it is now."""
        return sign_snapshot(self._as_snapshot(iat, life), self.issuer.status)

    def compact(self, *, iat: int = NOW, life: int = 24 * HOUR) -> bytes:
        """The same in its compact form."""
        return sign_compact(self._as_snapshot(iat, life), self.issuer.status)

    def _as_snapshot(self, iat: int, life: int) -> Snapshot:
        return Snapshot(uri=self.uri, version=self.version, iat=iat, exp=iat + life, ttl=HOUR, packed=self.packed)

    def change(self, *indexes: int, status: int = bits.INVALID, iat: int = NOW) -> bytes:
        """Give these indexes a status in a new version; the signed delta that leads there."""
        delta = Delta(uri=self.uri, version=self.version + 1, iat=iat, changes={status: sorted(indexes)})
        self.version, self.packed = delta.version, delta.apply(self.packed)
        return sign_delta(delta, self.issuer.status)

    def row(self) -> HeadRow:
        """What a head says of this list now."""
        return HeadRow(uri=self.uri, version=self.version, digest=hashlib.sha256(self.packed).digest())


def make_issuer(network: str = NETWORK, *, number: int = 1, nbf: int = NOW - 365 * 24 * HOUR) -> Issuer:
    """A network's issuer, with keys that are trusted for three years from `nbf` on."""
    passes, status = signer(2 * number), signer(2 * number + 1)
    keys = (
        passes.trusted(uses=frozenset({Use.PASS}), nbf=nbf, exp=nbf + 3 * 365 * 24 * HOUR),
        status.trusted(uses=frozenset({Use.STATUS}), nbf=nbf, exp=nbf + 3 * 365 * 24 * HOUR),
    )
    trust = TrustSet(network=network, keys={key.kid: key for key in keys})
    return Issuer(network=network, passes=passes, status=status, trust=trust)


def write_trust(issuer: Issuer, folder: Path) -> Path:
    """The trust set as a file."""
    path = folder / "trust.json"
    path.write_text(issuer.trust.to_json(), encoding="utf-8")
    return path


def write_status(folder: Path, **messages: bytes) -> Path:
    """Messages as files of a new folder: `snapshot=`, `delta_2=`, `head=` become `1.snapshot`, `2.delta`, `1.head`."""
    folder.mkdir()
    for name, data in messages.items():
        kind, _, number = name.partition("_")
        (folder / f"{number or '1'}.{kind}").write_bytes(data)
    return folder
