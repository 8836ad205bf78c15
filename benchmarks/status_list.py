"""Status lists at the size of a country: how small, how quick to load and to ask, and how much memory.

For N passes of which r are withdrawn at random (`full_lists`): the bytes of all lists in the compact form, in the
standard's (zlib at its highest level) and as serialised Roaring bitmaps (pyroaring), beside the bound log2 C(N, r);
each as the bare payload, and the first two also as whole signed messages. Then, with the protocol's own code:

- `encode_ms`, `zlib_ms`: payload of all lists from their packed bytes, in the two forms
- `load_ms`: all compact messages and a head into a reader's status store, and one pass decided by it: parsing,
  signatures, decoding, digests. `load_standard_ms`: the same with standard messages
- `delta_us`: one signed delta of 8 changes into that store, the mean over all lists: signature, a new list, its digest
- `lookup_ns`: the status of a random place of a random list that is at hand, against `index_ns`, a bare index into one
  bytearray with a byte for each place, at the same places in the same order. `by_uri_ns` finds the list by its URI
  besides, which is the whole of what `decide` does. All are one `for` over prepared tuples and have the loop's own cost
  in them; the best of several rounds, by turns

`memory_mb` is the growth of resident memory of a fresh process in which a reader's own inbox and disk keeper hold all
lists (compact messages, the whole ring of 64 deltas of each, a head); `restart_ms` is how long another fresh process
takes from the kept files to lists that decide, without network. Both are done for the largest case only.

Times are this machine's and of one thread: by the clock on the wall, and `_cpu_ms` by the time that the processor gave,
which says more where the machine has other things to do.
"""

import gc
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric import ed25519
from rich.console import Console
from rich.table import Table

from full_lists import Network, draw_network
from waypass_protocol import bits
from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import Kind, MemoryKeeper, StatusStore
from waypass_protocol.compact import encode_compact
from waypass_protocol.keys import MemorySigner, TrustSet, Use, read_trust_set
from waypass_protocol.passes import Aspect, Pass, Place, pass_text, sign_pass
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Outcome
from waypass_protocol.reentry import NoReentry
from waypass_protocol.status import (
    DELTA_RING,
    Delta,
    Head,
    HeadRow,
    Snapshot,
    sign_compact,
    sign_delta,
    sign_head,
    sign_snapshot,
)
from waypass_reader.clock import ManualClock
from waypass_reader.inbox import StatusInbox
from waypass_reader.log import RecordingLog
from waypass_reader.store_files import DiskKeeper

NOW = 1_800_000_000
NETWORK = "metro"
PASSES = (10**6, 10**7, 10**8)
SHARES = (0.0001, 0.001, 0.01, 0.05)
VERSION = 1000
CHANGES = 8
LOOKUPS = 300_000
ROUNDS = 5
AIM_BOUND, AIM_LOAD_MS, AIM_LOOKUP, AIM_MEMORY_MB = 1.02, 500.0, 2.0, 40.0

SIGNER = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"status").digest()))
PASS_SIGNER = MemorySigner(ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"pass").digest()))
TRUST = TrustSet(
    network=NETWORK,
    keys={
        signer.kid: signer.trusted(uses=frozenset({use}), nbf=NOW - 10**6, exp=NOW + 10**6)
        for signer, use in ((SIGNER, Use.STATUS), (PASS_SIGNER, Use.PASS))
    },
)

Result = dict[str, object]
T = TypeVar("T")


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One object a line.")] = False,
    passes: Annotated[list[int] | None, typer.Option(help="By default 10^6, 10^7 and 10^8.")] = None,
    share: Annotated[list[float] | None, typer.Option(help="Withdrawn, 1 for all. By default 0.0001 to 0.05.")] = None,
    hold: Annotated[Path | None, typer.Option(hidden=True)] = None,
    restart: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Measure status lists of different sizes."""
    if hold is not None or restart is not None:
        print(json.dumps(measure_holding(hold) if hold is not None else measure_restart(restart or Path())))
        return
    cases = [(number, part) for number in sorted(passes or PASSES) for part in sorted(share or SHARES)]
    # The case that speaks for all comes last.
    cases.sort(key=lambda case: (case == (10**8, 0.01), case))
    results = []
    for number, part in cases:
        result = measure(draw_network(number, round(number * part)), whole=(number, part) == cases[-1])
        results.append(result)
        if as_json:
            print(json.dumps(result), flush=True)
    if not as_json:
        show(results)


def measure(network: Network, *, whole: bool) -> Result:
    """Everything about one network; `whole`: with memory and restart."""
    encode_ms, encode_cpu_ms, forms = timed(lambda: [encode_compact(packed) for packed in network.packed])
    zlib_ms, zlib_cpu_ms, lsts = timed(lambda: [bits.deflate(packed) for packed in network.packed])
    compact, standard = ([sign(each, SIGNER) for each in snapshots(network)] for sign in (sign_compact, sign_snapshot))
    bound = network.bound_bytes
    payload = sum(len(string) for form in forms for strings in form.values() for string in strings)
    result: Result = {
        "passes": network.passes,
        "withdrawn": network.withdrawn,
        "lists": len(network.packed),
        "bound_bytes": round(bound),
        "compact_over_bound": round(payload / bound, 4),
        "standard_over_bound": round(sum(map(len, lsts)) / bound, 4),
        "roaring_over_bound": None if (size := roaring_bytes(network)) is None else round(size / bound, 4),
        "compact_message_over_bound": round(sum(map(len, compact)) / bound, 4),
        "standard_message_over_bound": round(sum(map(len, standard)) / bound, 4),
        "encode_ms": round(encode_ms, 1),
        "encode_cpu_ms": round(encode_cpu_ms, 1),
        "zlib_ms": round(zlib_ms, 1),
        "zlib_cpu_ms": round(zlib_cpu_ms, 1),
        **loading(network, compact, standard),
        **lookups(network),
    }
    if whole:
        result |= in_processes(network, compact)
    return result


def snapshots(network: Network) -> list[Snapshot]:
    """The lists at one version."""
    return [
        Snapshot(uri=uri, version=VERSION, iat=NOW, exp=NOW + 86_400, ttl=300, packed=packed)
        for uri, packed in zip(network.uris(), network.packed, strict=True)
    ]


def roaring_bytes(network: Network) -> int | None:
    """The lists as Roaring bitmaps; None where the library is not installed."""
    try:
        from pyroaring import BitMap
    except ImportError:
        return None
    total = 0
    for indexes in network.indexes:
        bitmap = BitMap(indexes)
        bitmap.run_optimize()
        total += len(bitmap.serialize())
    return total


def head_of(snapshots: Sequence[Snapshot]) -> bytes:
    """The head that names these lists."""
    rows = (
        HeadRow(uri=each.uri, version=each.version, digest=hashlib.sha256(each.packed).digest()) for each in snapshots
    )
    return sign_head(Head(network=NETWORK, iat=NOW, sequence=1, rows=tuple(rows)), SIGNER)


def loading(network: Network, compact: list[bytes], standard: list[bytes]) -> Result:
    """From messages to a decision, and deltas after that."""
    parts = snapshots(network)
    head = head_of(parts)
    idx = next(idx for idx in range(bits.LIST_INDEXES) if bits.status_at(network.packed[-1], idx) == bits.VALID)
    place = Place(uri=parts[-1].uri, idx=idx)
    green = Pass(iat=NOW - 60, exp=NOW + 3600, place=place, aspects={1: Aspect.GREEN})
    text = pass_text(sign_pass(green, PASS_SIGNER))
    load_ms, load_cpu_ms, store = best(lambda: load_and_decide(compact, head, text))
    standard_ms, standard_cpu_ms, _ = best(lambda: load_and_decide(standard, head, text))
    draw = random.Random(1)
    deltas = [
        sign_delta(
            Delta(
                uri=each.uri,
                version=VERSION + 1,
                iat=NOW,
                changes={bits.INVALID: sorted(draw.sample(range(bits.LIST_INDEXES), CHANGES))},
            ),
            SIGNER,
        )
        for each in parts
    ]
    deltas_ms, deltas_cpu_ms, swapped = timed(
        lambda: [store.receive(Kind.DELTA, each, now=NOW).swapped for each in deltas]
    )
    assert all(swapped)
    return {
        "load_ms": round(load_ms, 1),
        "load_cpu_ms": round(load_cpu_ms, 1),
        "load_standard_ms": round(standard_ms, 1),
        "load_standard_cpu_ms": round(standard_cpu_ms, 1),
        "delta_us": round(deltas_ms * 1000 / len(deltas), 1),
        "delta_cpu_us": round(deltas_cpu_ms * 1000 / len(deltas), 1),
    }


def load_and_decide(messages: Sequence[bytes], head: bytes, text: str) -> StatusStore:
    """A store that has taken these messages, and has opened for a pass."""
    store = StatusStore(trust=TRUST, keeper=MemoryKeeper())
    store.receive(Kind.HEAD, head, now=NOW)
    for message in messages:
        receipt = store.receive(Kind.SNAPSHOT, message, now=NOW)
        assert receipt.swapped, receipt.detail
    gate = Gate(trust=TRUST, scope=1, policy=Policy(identity_check_paper=False))
    decision = decide(text, now=NOW, clock_trusted=True, gate=gate, lists=store.view, reentry=NoReentry())
    assert decision.outcome is Outcome.OPEN, decision
    return store


def lookups(network: Network) -> Result:
    """The two ways to ask for a status, at the same places in the same order."""
    places = len(network.packed) * bits.LIST_INDEXES
    flat = bytearray(places)
    for number, indexes in enumerate(network.indexes):
        for idx in indexes:
            flat[number * bits.LIST_INDEXES + idx] = bits.INVALID
    draw = random.Random(2)
    asked = [draw.randrange(places) for _ in range(LOOKUPS)]
    held = [(network.packed[each // bits.LIST_INDEXES], each % bits.LIST_INDEXES) for each in asked]
    view = {f"wp:{number}": Listed(packed) for number, packed in enumerate(network.packed)}
    uris = list(view)
    named = [(uris[each // bits.LIST_INDEXES], each % bits.LIST_INDEXES) for each in asked]
    bare = [(flat, each) for each in asked]
    assert [bits.status_at(packed, idx) for packed, idx in held] == [array[idx] for array, idx in bare]
    ways = partial(ask_held, held), partial(ask_bare, bare), partial(ask_by_uri, view, named)
    times: dict[Callable[[], None], list[float]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for ask, took in times.items():
            took.append(timed(ask)[0])
    lookup, index, by_uri = (min(took) * 1e6 / LOOKUPS for took in times.values())
    return {
        "lookup_ns": round(lookup, 1),
        "index_ns": round(index, 1),
        "lookup_over_index": round(lookup / index, 2),
        "by_uri_ns": round(by_uri, 1),
        "by_uri_over_index": round(by_uri / index, 2),
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as a store's view holds it, as far as it is asked here."""

    packed: bytes


def ask_by_uri(view: Mapping[str, Listed], places: list[tuple[str, int]]) -> None:
    """As `decide` asks."""
    status_at = bits.status_at
    for uri, idx in places:
        held = view.get(uri)
        if held is not None:
            status_at(held.packed, idx)


def ask_held(places: list[tuple[bytes, int]]) -> None:
    """Where the list is at hand."""
    status_at = bits.status_at
    for packed, idx in places:
        status_at(packed, idx)


def ask_bare(places: list[tuple[bytearray, int]]) -> None:
    """The least that can be asked."""
    for array, idx in places:
        array[idx]


def in_processes(network: Network, compact: Sequence[bytes]) -> Result:
    """Memory and restart, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="waypass-lists-") as name:
        folder = Path(name)
        (folder / "trust.json").write_text(TRUST.to_json(), encoding="utf-8")
        (folder / "messages").mkdir()
        for number, (each, message) in enumerate(zip(ring_after(network), compact, strict=True)):
            (folder / "messages" / f"{number:03}.snapshot").write_bytes(message)
            for version, delta in enumerate(each):
                (folder / "messages" / f"{number:03}-{version:02}.delta").write_bytes(delta)
        (folder / "messages" / "last.head").write_bytes(head_of(snapshots(network)))
        return {**run_self("--hold", folder), **run_self("--restart", folder)}


def ring_after(network: Network) -> list[list[bytes]]:
    """For each list the ring: 64 deltas, half of them after the snapshot."""
    draw = random.Random(3)
    rings = []
    for uri in network.uris():
        versions = range(VERSION - DELTA_RING // 2 + 1, VERSION + DELTA_RING // 2 + 1)
        changes = [sorted(draw.sample(range(bits.LIST_INDEXES), CHANGES)) for _ in versions]
        rings.append(
            [
                sign_delta(Delta(uri=uri, version=version, iat=NOW, changes={bits.INVALID: indexes}), SIGNER)
                for version, indexes in zip(versions, changes, strict=True)
            ]
        )
    return rings


def run_self(option: str, folder: Path) -> Result:
    """This script in a fresh process; what it found."""
    command = [sys.executable, __file__, option, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    found: Result = json.loads(done.stdout)
    return found


def measure_holding(folder: Path) -> Result:
    """In a fresh process: let a reader's inbox take everything, in the order of a broker."""
    take = partial(make_inbox(folder).take)
    trust_loaded = resident_mb()
    for suffix, kind in ((".head", Kind.HEAD), (".delta", Kind.DELTA), (".snapshot", Kind.SNAPSHOT)):
        for path in sorted((folder / "messages").glob(f"*{suffix}")):
            take(kind, path.read_bytes())
    gc.collect()
    return {"memory_mb": round(resident_mb() - trust_loaded, 1)}


def measure_restart(folder: Path) -> Result:
    """In a fresh process: from the kept files to lists that decide."""
    kept = len(list((folder / "state" / "messages").iterdir()))
    inbox = make_inbox(folder)
    took, cpu, _ = timed(inbox.restore)
    assert inbox.store.view
    assert all(held.version == VERSION + DELTA_RING // 2 for held in inbox.store.view.values())
    return {"restart_ms": round(took, 1), "restart_cpu_ms": round(cpu, 1), "restart_files": kept}


def make_inbox(folder: Path) -> StatusInbox:
    """A reader's way from messages to lists, over a state folder."""
    trust = read_trust_set((folder / "trust.json").read_bytes())
    log = RecordingLog()
    keeper = DiskKeeper(folder / "state", log=log)
    store = StatusStore(trust=trust, keeper=keeper, floors=keeper.floors)
    return StatusInbox(store=store, keeper=keeper, clock=ManualClock(NOW), log=log)


def resident_mb() -> float:
    """This process's resident memory, in MB of 10^6 bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Milliseconds on the wall and of the processor, and what came of it."""
    start, cpu = time.perf_counter(), time.process_time()
    made = work()
    return (time.perf_counter() - start) * 1000, (time.process_time() - cpu) * 1000, made


def best(work: Callable[[], T], rounds: int = 5) -> tuple[float, float, T]:
    """The same, the best of a few of each."""
    runs = [timed(work) for _ in range(rounds)]
    return min(wall for wall, _, _ in runs), min(cpu for _, cpu, _ in runs), runs[-1][2]


def show(results: Sequence[Result]) -> None:
    """Two tables, and whether the aims are met."""
    names = ("passes", "withdrawn", "lists", "bound_bytes", "compact_over_bound", "compact_message_over_bound")
    sizes = (*names, "standard_over_bound", "standard_message_over_bound", "roaring_over_bound")
    times = ("encode_ms", "zlib_ms", "load_ms", "load_cpu_ms", "load_standard_ms", "delta_us", "lookup_ns", "index_ns")
    console = Console()
    for columns in (sizes, ("passes", "withdrawn", *times)):
        table = Table(*(name.replace("_", " ") for name in columns))
        for result in results:
            table.add_row(*(str(result[name]) for name in columns))
        console.print(table)
    last = results[-1]
    for name, aim in (
        ("compact_over_bound", AIM_BOUND),
        ("load_ms", AIM_LOAD_MS),
        ("lookup_over_index", AIM_LOOKUP),
        ("memory_mb", AIM_MEMORY_MB),
    ):
        met = float(str(last[name])) <= aim
        console.print(f"{name} {last[name]}, aim at most {aim:g}: {'met' if met else 'not met'}")
    console.print(f"restart_ms {last['restart_ms']} from {last['restart_files']} files")


if __name__ == "__main__":
    typer.run(main)
