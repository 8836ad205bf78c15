"""The hall of the soak: who issues, who walks up to which lane with what, and what the gate has to say of it."""

import hashlib
import random
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from waypass_protocol.bits import INVALID, LIST_BYTES
from waypass_protocol.keys import HolderSigner, MemorySigner, TrustSet, Use
from waypass_protocol.passes import Aspect, Pass, Place, pass_text, sign_pass
from waypass_protocol.presentation import present
from waypass_protocol.reasons import Reason
from waypass_protocol.status import Delta, Head, HeadRow, Snapshot, sign_delta, sign_head, sign_snapshot
from waypass_simulator.camera import walk_up
from waypass_simulator.carriers import Carrier
from waypass_simulator.difficulty import EASY
from waypass_simulator.optics import Picture

NETWORK, READER, LIST_URI, SCOPE = "soak", "gate-1", "wp:1", 1
DAY = 86_400


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A text that somebody shows, and the reason that the gate has to give."""

    text: str
    reason: Reason


class Issuer:
    """Signs passes and keeps one status list. Used from several threads."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self._passes = MemorySigner(ed25519.Ed25519PrivateKey.generate())
        self._status = MemorySigner(ed25519.Ed25519PrivateKey.generate())
        self._stranger = MemorySigner(ed25519.Ed25519PrivateKey.generate())
        self._holder = HolderSigner(ec.generate_private_key(ec.SECP256R1()))
        self._packed = bytes(LIST_BYTES)
        self._version, self._sequence, self._next = 1, 0, 0
        now = int(time.time())
        keys = [
            self._passes.trusted(uses=frozenset({Use.PASS}), nbf=now - DAY, exp=now + 30 * DAY),
            self._status.trusted(uses=frozenset({Use.STATUS}), nbf=now - DAY, exp=now + 30 * DAY),
        ]
        self.trust = TrustSet(network=NETWORK, keys={key.kid: key for key in keys})
        self.withdrawn: dict[int, int] = {}
        """Withdrawn places, each with the version of the list that withdrew it."""

    @property
    def version(self) -> int:
        """The newest version of the list."""
        return self._version

    def place(self) -> int:
        """A place that nobody had."""
        with self._lock:
            self._next += 1
            return self._next

    def snapshot(self) -> bytes:
        """The list as it is."""
        with self._lock:
            now = int(time.time())
            return sign_snapshot(
                Snapshot(uri=LIST_URI, version=self._version, iat=now, exp=now + DAY, ttl=3600, packed=self._packed),
                self._status,
            )

    def head(self) -> bytes:
        """A new head."""
        with self._lock:
            self._sequence += 1
            row = HeadRow(uri=LIST_URI, version=self._version, digest=hashlib.sha256(self._packed).digest())
            return sign_head(
                Head(network=NETWORK, iat=int(time.time()), sequence=self._sequence, rows=(row,)), self._status
            )

    def withdraw(self) -> bytes:
        """Withdraw eight new places; the delta."""
        places = sorted(self.place() for _ in range(8))
        with self._lock:
            delta = Delta(uri=LIST_URI, version=self._version + 1, iat=int(time.time()), changes={INVALID: places})
            self._version, self._packed = delta.version, delta.apply(self._packed)
            self.withdrawn |= dict.fromkeys(places, self._version)
            return sign_delta(delta, self._status)

    def forged(self, rng: random.Random) -> bytes:
        """A message that nobody trusts: a stranger's signature, or noise."""
        if rng.random() < 0.5:
            return rng.randbytes(rng.randint(1, 2000))
        now = int(time.time())
        delta = Delta(uri=LIST_URI, version=self._version + 1, iat=now, changes={INVALID: [1, 2, 3]})
        return sign_delta(delta, self._stranger)

    def paper(self, idx: int, aspects: dict[int, Aspect], *, uri: str = LIST_URI, old: bool = False) -> str:
        """The text of a paper pass."""
        iat = int(time.time()) - (3 * DAY if old else 3600)
        pass_ = Pass(iat=iat, exp=iat + DAY, place=Place(uri=uri, idx=idx), aspects=aspects)
        return pass_text(sign_pass(pass_, self._passes))

    def bound(self, idx: int, *, signer: MemorySigner | None = None) -> bytes:
        """A bound pass."""
        iat = int(time.time()) - 3600
        place = Place(uri=LIST_URI, idx=idx)
        pass_ = Pass(iat=iat, exp=iat + DAY, place=place, aspects={SCOPE: Aspect.GREEN}, holder=self._holder.key)
        return sign_pass(pass_, signer or self._passes)

    def presentation(self, idx: int, *, late: int = 0) -> str:
        """What a wallet shows now, or showed `late` seconds ago."""
        return present(self.bound(idx), t=int(time.time()) - late, network=NETWORK, holder=self._holder)

    def unknown(self, idx: int) -> str:
        """A pass by a stranger."""
        return pass_text(self.bound(idx, signer=self._stranger))

    def copied(self, idx: int) -> str:
        """A bound pass without its presentation."""
        return pass_text(self.bound(idx))


@dataclass(kw_only=True, slots=True)
class Visitor:
    """Whoever comes to one lane next. `held` is the version of the list that the gate is known to hold."""

    issuer: Issuer
    rng: random.Random
    opened: list[tuple[float, str]] = field(default_factory=list)

    def next(self, held: int) -> Shown:
        """Mostly somebody who may go."""
        kind = self.rng.choices(
            ("go", "paper", "red", "yellow", "withdrawn", "again", "old", "late", "copy", "stranger", "other", "half"),
            (40, 10, 8, 6, 8, 6, 4, 4, 4, 3, 4, 3),
        )[0]
        if kind in {"withdrawn", "again"}:
            shown = self._withdrawn(held) if kind == "withdrawn" else self._again()
            if shown is not None:
                return shown
        text, reason = self._fresh(kind, self.issuer.place())
        return Shown(text=text, reason=reason)

    def _fresh(self, kind: str, idx: int) -> tuple[str, Reason]:
        """Somebody with a pass that nobody has shown before."""
        issuer = self.issuer
        colours = {
            "paper": (Aspect.GREEN, Reason.GREEN),
            "red": (Aspect.RED, Reason.RED),
            "yellow": (Aspect.YELLOW, Reason.YELLOW),
        }
        if kind in colours:
            aspect, reason = colours[kind]
            return issuer.paper(idx, {SCOPE: aspect}), reason
        match kind:
            case "old":
                return issuer.paper(idx, {SCOPE: Aspect.GREEN}, old=True), Reason.EXPIRED
            case "late":
                return issuer.presentation(idx, late=90), Reason.STALE_PRESENTATION
            case "copy":
                return issuer.copied(idx), Reason.UNBOUND_COPY
            case "stranger":
                return issuer.unknown(idx), Reason.UNKNOWN_KEY
            case "other":
                return f"https://example.org/{idx}", Reason.NOT_WAYPASS
            case "half":
                return issuer.presentation(idx)[:200], Reason.MALFORMED
            case _:
                return issuer.presentation(idx), Reason.GREEN

    def note_opened(self, text: str) -> None:
        """It opened; somebody may try it again, after the lane has forgotten that it saw it."""
        self.opened.append((time.monotonic(), text))
        del self.opened[:-20]

    def _withdrawn(self, held: int) -> Shown | None:
        places = [idx for idx, version in list(self.issuer.withdrawn.items()) if version <= held]
        if not places:
            return None
        idx = self.rng.choice(places)
        if self.issuer.withdrawn.pop(idx, None) is None:
            return None  # somebody at the other lane has it
        return Shown(text=self.issuer.paper(idx, {SCOPE: Aspect.GREEN}), reason=Reason.SUPERSEDED)

    def _again(self) -> Shown | None:
        """Young enough to be refused for its place and not for its time."""
        now = time.monotonic()
        ripe = [text for at, text in self.opened if 4 <= now - at <= 25]
        return Shown(text=self.rng.choice(ripe), reason=Reason.SEEN_ALREADY) if ripe else None


def pictures_of(text: str, rng: np.random.Generator) -> list[Picture]:
    """Frames of somebody who holds a text before the camera."""
    carrier = Carrier.PHONE if text.startswith("WP2:") else Carrier.PAPER
    return walk_up(text, rng, difficulty=EASY, carrier=carrier, frames=2)
