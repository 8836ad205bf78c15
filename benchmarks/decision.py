"""From text to decision: what `decide` takes for a paper pass and for a presentation, beside the floor of the same run.

The floor is what no implementation can leave out: the raw signature verifications (for a presentation with the loading
of the holder's public key from its coordinates), Base45 decoding by the library, and CBOR decoding by the library of
each envelope, protected header and payload. What has to be put together for a signature (the Sig_structure, the DER
form) is made beforehand and counts for `decide` alone.

The list is full: all 2^20 indexes are allocated and some are withdrawn; the re-entry memory holds a busy minute. Texts
alternate, and so do `decide` and floor, so that a slow moment of the machine falls on both.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Annotated

import base45
import cbor2
import typer
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from rich.console import Console
from rich.table import Table

from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import HeldList
from waypass_protocol.keys import HolderSigner, MemorySigner, TrustSet, Use
from waypass_protocol.passes import Aspect, Pass, Place, parse_pass, pass_text, read_pass, sign_pass
from waypass_protocol.policy import Policy
from waypass_protocol.presentation import holder_context, present, read_presentation
from waypass_protocol.reasons import Decision, Outcome
from waypass_protocol.reentry import ReentryMemory

NOW = 1_800_000_000
NETWORK, URI, SCOPE = "metro", "wp:17", 3
WITHDRAWN = 30_000
BUSY_MINUTE = 200
PASSES = 64
AIM = 1.3

_ES256 = ec.ECDSA(hashes.SHA256())
_P256 = ec.SECP256R1()


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Microseconds of one kind of text."""

    characters: int
    p50_us: float
    p99_us: float
    floor_p50_us: float
    floor_p99_us: float
    p50_over_floor: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """One text, and the least that has to be done for it."""

    text: str
    floor: Callable[[], None]


class Bench:
    """An issuer, a gate with a full list, and texts that open it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._signer = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(random.randbytes(32)))
        key = self._signer.trusted(uses=frozenset({Use.PASS}), nbf=NOW - 86_400, exp=NOW + 86_400)
        trust = TrustSet(network=NETWORK, keys={key.kid: key})
        self.gate = Gate(trust=trust, scope=SCOPE, policy=Policy(identity_check_paper=False))
        withdrawn = random.sample(range(bits.LIST_INDEXES), WITHDRAWN + BUSY_MINUTE + 2 * PASSES)
        self._free = withdrawn[WITHDRAWN:]
        packed = bytearray(bits.LIST_BYTES)
        for idx in withdrawn[:WITHDRAWN]:
            bits.set_status(packed, idx, bits.INVALID)
        digest = hashlib.sha256(packed).digest()
        self.lists = {URI: HeldList(uri=URI, version=1, packed=bytes(packed), digest=digest, renewed=NOW - 30)}
        self.reentry = ReentryMemory(reentry=120, new_key=lambda: random.randbytes(32), now=NOW - 60)
        for _ in range(BUSY_MINUTE):
            self.reentry.remember(self._place(), NOW - 30)

    def decide(self, text: str) -> Decision:
        """What a gate does."""
        return decide(text, now=NOW, clock_trusted=True, gate=self.gate, lists=self.lists, reentry=self.reentry)

    def paper(self) -> Work:
        """A paper pass of a day."""
        text = pass_text(sign_pass(self._pass(None), self._signer))
        verify = self._issuer_check(read_pass(text).envelope.to_be_signed(), read_pass(text).envelope.signature)
        outer = base45.b45decode(text[4:])
        protected, payload = cbor2.loads(outer).value[0], cbor2.loads(outer).value[2]

        def floor() -> None:
            base45.b45decode(text[4:])
            for data in (outer, protected, payload):
                cbor2.loads(data)
            verify()

        return Work(text=text, floor=floor)

    def bound(self) -> Work:
        """A bound pass of a day in a presentation of this second."""
        holder = HolderSigner(ec.derive_private_key(self._random.getrandbits(250) + 1, _P256))
        data = sign_pass(self._pass(holder), self._signer)
        text = present(data, t=NOW, network=NETWORK, holder=holder)
        shown, inner = read_presentation(text).envelope, parse_pass(data).envelope
        verify = self._issuer_check(inner.to_be_signed(), inner.signature)
        r, s = int.from_bytes(shown.signature[:32], "big"), int.from_bytes(shown.signature[32:], "big")
        der, signed = encode_dss_signature(r, s), shown.to_be_signed(holder_context(NETWORK))
        x, y = holder.key.coordinates()
        outer = base45.b45decode(text[4:])
        items = (outer, shown.protected, shown.payload, data, inner.protected, inner.payload)

        def floor() -> None:
            base45.b45decode(text[4:])
            for item in items:
                cbor2.loads(item)
            verify()
            public = ec.EllipticCurvePublicKey.from_encoded_point(_P256, b"\x04" + x + y)
            public.verify(der, signed, _ES256)

        return Work(text=text, floor=floor)

    def _issuer_check(self, signed: bytes, signature: bytes) -> Callable[[], None]:
        return lambda: self._signer.public.verify(signature, signed)

    def _place(self) -> Place:
        return Place(uri=URI, idx=self._free.pop())

    def _pass(self, holder: HolderSigner | None) -> Pass:
        return Pass(
            iat=NOW - 3600,
            exp=NOW + 82_800,
            place=self._place(),
            aspects={SCOPE: Aspect.GREEN},
            holder=None if holder is None else holder.key,
        )


def measure(bench: Bench, kinds: dict[str, list[Work]], rounds: int) -> dict[str, Timing]:
    """Time each kind `rounds` times, interleaved with its floor and with the other kind."""
    ours: dict[str, list[int]] = {kind: [] for kind in kinds}
    floors: dict[str, list[int]] = {kind: [] for kind in kinds}
    for number in range(-200, rounds):
        for kind, works in kinds.items():
            work = works[number % len(works)]
            start = time.perf_counter_ns()
            decision = bench.decide(work.text)
            middle = time.perf_counter_ns()
            work.floor()
            end = time.perf_counter_ns()
            if decision.outcome is not Outcome.OPEN:
                raise SystemExit(f"expected a text that opens, got {decision.reason}")
            if number >= 0:  # the first ones warm up
                ours[kind].append(middle - start)
                floors[kind].append(end - middle)
    return {kind: _timing(kinds[kind][0].text, ours[kind], floors[kind]) for kind in kinds}


def _timing(text: str, ours: list[int], floors: list[int]) -> Timing:
    p50, floor_p50 = _percentile(ours, 50), _percentile(floors, 50)
    return Timing(
        characters=len(text),
        p50_us=round(p50, 1),
        p99_us=round(_percentile(ours, 99), 1),
        floor_p50_us=round(floor_p50, 1),
        floor_p99_us=round(_percentile(floors, 99), 1),
        p50_over_floor=round(p50 / floor_p50, 3),
    )


def _percentile(nanoseconds: Sequence[int], percent: int) -> float:
    """In microseconds, nearest rank."""
    ordered = sorted(nanoseconds)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] / 1000


def main(
    rounds: Annotated[int, typer.Option(min=100, help="Decisions of each kind.")] = 5_000,
    seed: Annotated[int, typer.Option(help="Another seed, other keys and places.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure text -> decision beside its floor."""
    bench = Bench(Random(seed))
    kinds = {
        "paper": [bench.paper() for _ in range(PASSES)],
        "bound": [bench.bound() for _ in range(PASSES)],
    }
    timings = measure(bench, kinds, rounds)
    if as_json:
        worse = max(timings.values(), key=lambda timing: timing.p50_over_floor)
        summary = {name: getattr(worse, name) for name in ("p50_us", "p99_us", "floor_p50_us", "p50_over_floor")}
        print(json.dumps({**summary, "rounds": rounds, **{kind: asdict(each) for kind, each in timings.items()}}))
    else:
        Console().print(_table(timings))


def _table(timings: dict[str, Timing]) -> Table:
    table = Table("text", title=f"Text to decision (microseconds); aim: p50 within {AIM} times the floor")
    for name in ("characters", "p50", "p99", "floor p50", "floor p99", "p50 / floor"):
        table.add_column(name, justify="right")
    for kind, each in timings.items():
        numbers = (each.characters, each.p50_us, each.p99_us, each.floor_p50_us, each.floor_p99_us, each.p50_over_floor)
        table.add_row(kind, *map(str, numbers))
    return table


if __name__ == "__main__":
    typer.run(main)
