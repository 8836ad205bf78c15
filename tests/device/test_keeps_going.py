"""What keeps a reader going for months: nothing grows without end, nothing of a pass is written, clocks may jump.

`BOUNDS` is the list of everything in a reader that holds more than one thing, with what holds it down. A container that
is added to the reader and not to the list is found by the first test.
"""

import ast
import json
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.device.test_lane import ListeningOutlet, Station
from tests.device.test_run import READY, Gate, gate, reasons  # noqa: F401 - a fixture
from tests.house.sources import sources
from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.issuing import HOUR, NOW, SCOPE, make_issuer
from tests.support.publishing import Publisher, wait_for

from waypass_protocol.passes import Aspect, pass_text
from waypass_protocol.reasons import Outcome, Reason
from waypass_reader.counts import Counts
from waypass_reader.log import ReportLimiter
from waypass_simulator.processes import Stream

# (module, attribute): what bounds it. Doubles, which only tests fill, are left out by their modules.
BOUNDS = {
    ("board", "_places"): "one a lane",
    ("counts", "_done"): "taken twice a second; a minute and an hour at most in between",
    ("counts", "_outcomes"): "the outcomes there are",
    ("counts", "_reasons"): "the reasons there are",
    ("counts", "_latency"): "one a bucket",
    ("counts", "_minute_latency"): "one a bucket",
    ("frames.pipe", "_line"): "a header line, refused when it is too long",
    ("store_files", "_trouble"): "messages and floors",
    ("store_files", "_untidy"): "one a list that is held or was let go, until its files are written",
    ("inputs", "_contacts"): "one a shared input",
    ("inputs", "_health"): "one a shared input",
    ("passage", "_memos"): "openings that have not ended; `close` ends them all",
    ("lane", "_answered"): "texts in view, and those of the last 2 s",
    ("lane", "_taken_back"): "openings that were taken back since its thread came by",
    ("link", "_broken_lanes"): "one a lane",
    ("snapshots", "_due"): "one a list that is behind",
    ("subscriptions", "_asked"): "one a subscription that is not answered",
    ("subscriptions", "_wishes"): "one a topic filter",
    ("link", "_counts"): "COUNTS_WAITING",
    ("link", "_waiting"): "one a lane",
    ("log", "_counts"): "the reasons there are",
    ("log", "_logged_ns"): "the reasons there are",
    ("scanners.texts", "_letters"): "one more than a text may have",
    ("scanners.texts", "_waiting"): "WAITING",
    ("scanners.serial_line", "_begun"): "_MOST_BYTES",
    ("scanners.wedge", "_held"): "the modifier keys there are",
    ("frames.folder", "_taken"): "names in the folder; a folder that is consumed: none",
    ("frames.folder", "_waiting"): "pictures in the folder",
    ("frames.exposure", "asked"): "a double's, which only tests fill",
    ("seeing.eye", "_stages"): "the stages there are",
    ("seeing.outfit", "_told"): "one a lane",
    ("seeing.outfit", "_fresh"): "one a lane",
    ("seeing.joining", "_kept"): "_FRAMES",
    ("seeing.worker", "_waiting"): "_WAITING",
    ("snapshots", "_behind_since"): "one a known list",
    ("snapshots", "_asked"): "one a known list",
    ("store_files", "_waiting"): "what the store needs: a snapshot and 64 deltas a list, and the head",
    ("store_files", "_kept"): "the same",
}
ELSEWHERE = ("doubles", "simulated", "station", "web", "display")  # doubles; other programs; bounded by their own tests
MAKERS = {"dict", "list", "set", "deque", "Counter", "OrderedDict", "defaultdict", "bytearray", "Queue", "SimpleQueue"}


def containers() -> set[tuple[str, str]]:
    """Every attribute that the reader makes as a container of its own."""
    found = set()
    for source in sources("waypass_reader"):
        module = ".".join(source.path.with_suffix("").parts).partition("waypass_reader.")[2]
        if not any(part in module for part in ELSEWHERE):
            found |= {(module, name) for node in ast.walk(source.tree) for name in _made_by(node)}
    return found


def _made_by(node: ast.AST) -> Iterator[str]:
    """The attributes that an assignment makes as containers."""
    if isinstance(node, ast.Assign):
        pairs = [(target, node.value) for target in node.targets]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        pairs = [(node.target, node.value)]
    else:
        return
    for target, value in pairs:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            each = list(zip(target.elts, value.elts, strict=True))
        else:
            each = [(target, value)]
        yield from (one.attr for one, made in each if isinstance(one, ast.Attribute) and _grows(made))


def _grows(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _grows(value.left) and isinstance(value.op, ast.Mult)
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return name in MAKERS
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)


def test_everything_that_can_grow_has_a_bound_that_is_written_down() -> None:
    found = containers()
    doubles = {key for key in found if key[1] in {"steps", "lines", "shown", "told", "calls"}}
    assert found - set(BOUNDS) - CONSTANT - doubles == set(), "say in BOUNDS what holds it down"
    assert set(BOUNDS) - found == set(), "no longer there"


# Made once and never added to.
CONSTANT: set[tuple[str, str]] = {
    ("inputs", "_lanes"),
    ("reader", "_contacts"),
    ("reader", "_lanes"),
    ("reader", "_simulated"),
    ("pages.screens", "_signs"),
}


def test_a_reader_of_a_month_holds_no_more_than_one_of_a_minute() -> None:
    """Everything that a person or a message adds to, fed for long under a clock that moves."""
    station = Station(outlet=Forgetful())
    sizes: list[int] = []
    for day in range(4):
        for _ in range(25):
            text = station.issuer.paper(idx=len(sizes) * 100 + day, iat=int(station.clock.now()) - HOUR)
            station.renew()
            station.play((text,), station.wait(3.0), ("https://example.org",), station.wait(3.0))
        station.desk.forget()
        station.counts.take_finished(station.clock.now())
        station.clock.advance(700)
        station.desk.forget()
        sizes.append(held_by(station.desk) + held_by(station.counts))
        station.display.shown.clear()
        station.display.told.clear()
    assert sizes[-1] <= sizes[0] * 1.1


class Forgetful(ListeningOutlet):
    """Hears everything and keeps nothing."""

    def say_live(self, message: object) -> None:
        """Nothing is kept."""


def held_by(thing: object, depth: int = 6) -> int:
    """How many things something holds, its own records and containers included."""
    if depth == 0:
        return 1
    if isinstance(thing, dict):
        parts = list(thing.values())
    elif isinstance(thing, list | tuple | set | frozenset):
        parts = list(thing)
    else:
        names = [*getattr(thing, "__dict__", {}), *getattr(type(thing), "__slots__", ())]
        parts = [getattr(thing, name) for name in names if name not in {"_log", "_store"} and hasattr(thing, name)]
    return 1 + sum(held_by(part, depth - 1) for part in parts)


def test_counts_that_nobody_takes_are_few_and_a_limiter_knows_reasons_only() -> None:
    counts = Counts()
    for minute in range(1500):
        counts.note(Outcome.OPEN, Reason.GREEN, milliseconds=1, now=NOW + 60 * minute)
        assert len(counts.take_finished(NOW + 60 * minute)) <= 2
    limiter = ReportLimiter()
    for now_ns in range(1000):
        limiter.note("malformed", now_ns=now_ns)
    assert limiter.counts() == {"malformed": 1000}


def parts_of(text: str) -> set[str]:
    """Each piece of 24 letters of a text's own bytes: none of them is anywhere by chance."""
    body = text.partition(":")[2]
    return {body[at : at + 24] for at in range(0, len(body) - 24, 8)}


def test_nothing_that_a_reader_writes_holds_a_part_of_a_pass(gate: Gate) -> None:  # noqa: F811
    issuer, now = gate.issuer, gate.now
    stranger = make_issuer(number=7, nbf=now - 24 * HOUR)
    issued = issuer.status_list()
    texts = [
        gate.paper(1),
        gate.paper(2, Aspect.RED),
        gate.paper(3, Aspect.YELLOW),
        gate.paper(4),  # will be withdrawn
        issuer.paper(idx=5, iat=now - HOUR, hint="Ada Lovelace"),
        issuer.presentation(t=now, idx=6),
        issuer.presentation(t=now - 200, idx=7),
        pass_text(issuer.bound(idx=8, iat=now - HOUR)),
        issuer.paper(idx=9, iat=now - 100 * HOUR),
        issuer.paper(idx=10, iat=now - HOUR, aspects={SCOPE + 1: Aspect.GREEN}),
        stranger.paper(idx=11, iat=now - HOUR),
        gate.paper(12)[:-40] + gate.paper(12)[-40:].swapcase(),
        gate.paper(13)[:150],
    ]
    with LocalBroker(BrokerKind.EMBEDDED, gate.folder) as broker, Publisher(issuer, broker.host, broker.port) as server:
        gate.configure(port=broker.port, pages="[pages]\nport = 0\n[metrics]\nport = 0\n")
        server.snapshot(issued, iat=now)
        server.change(issued, 4, iat=now)
        server.head(issued, sequence=1, iat=now)
        with gate.run() as reader:
            reader.wait_for_line(READY, timeout=30)
            wait_for(lambda: server.version("gate-1", issued.uri) == 2, "the list")
            # Forged messages, among them one that is a pass; a picture that is none; a disk that fails.
            server.publish(server.topics.head, texts[0].encode())
            server.publish(server.topics.delta("17", 3), stranger.status_list().change(5, iat=now))
            (gate.folder / "frames" / "0.png").write_bytes(texts[0].encode())
            (gate.folder / "state" / "messages").rename(gate.folder / "state" / "away")
            server.change(issued, 14, iat=now)
            for number, text in enumerate(texts, 1):
                gate.show(f"{number:02d}", text)
                wait_for(lambda number=number: len(reasons(reader)) >= number, f"text {number}")  # type: ignore[misc]
            (gate.folder / "state" / "away").rename(gate.folder / "state" / "messages")
            wait_for(lambda: "a message was refused" in reader.text(Stream.STDERR), "the forged ones are refused")
            broker.kill()
            reader.wait_for_line("the connection to the broker is lost", timeout=30)
            assert reader.terminate() == 0
        said = [data for _, data in server.raw()]
        written = [reader.text(stream).encode() for stream in Stream]
        written += [path.read_bytes() for path in (gate.folder / "state").rglob("*") if path.is_file()]
    seen = set(reasons(reader))
    assert {"green", "red", "yellow", "superseded", "stale-presentation", "unbound-copy", "expired"} <= seen
    assert {"scope-missing", "unknown-key", "malformed"} <= seen
    everything = b"\n".join([*said, *written])
    secrets = {part for text in texts for part in parts_of(text)} | {"Ada Lovelace"}
    assert [part for part in secrets if part.encode() in everything] == []
    for line in reader.lines(Stream.STDERR):
        assert not re.search(r"WP[12]:", line)
        assert json.loads(line)["event"]


Step = Callable[[Station], object]


@pytest.mark.parametrize(
    ("name", "step", "reason"),
    [
        ("a little ahead", lambda s: s.clock.step(NOW + 30), Reason.GREEN),
        ("a quarter ahead, and open by policy", lambda s: s.clock.step(NOW + 1000), Reason.GREEN),
        ("two days ahead", lambda s: s.clock.step(NOW + 48 * HOUR), Reason.EXPIRED),
        ("back by a minute", lambda s: s.clock.step(NOW - 59), Reason.GREEN),
        ("back behind the newest head", lambda s: s.clock.step(NOW - 100), Reason.CLOCK_UNTRUSTED),
        ("back to 1970", lambda s: s.clock.step(5), Reason.CLOCK_UNTRUSTED),
        ("to the end of 32 bits", lambda s: s.clock.step(2**31), Reason.UNKNOWN_KEY),
        ("there and back", lambda s: (s.clock.step(NOW + 48 * HOUR), s.clock.step(NOW)), Reason.GREEN),
        ("no longer synchronised", lambda s: s.clock.step(NOW, synchronised=False), Reason.GREEN),
    ],
)
def test_a_clock_that_jumps_is_trouble_and_never_red(name: str, step: Step, reason: Reason) -> None:
    station = Station()
    red = station.issuer.paper(idx=2, aspects={SCOPE: Aspect.RED})
    shown = station.play(lambda: step(station), (station.issuer.paper(),), station.wait(3.0), (red,))
    assert shown[0] is reason, name
    assert (shown[1] is Reason.RED) is (reason is Reason.GREEN)


def test_a_clock_that_is_set_back_lets_no_pass_in_twice() -> None:
    station = Station()
    paper = station.issuer.paper()
    shown = station.play((paper,), lambda: station.clock.step(NOW - 50), station.wait(3.0), (paper,))
    assert shown == [Reason.GREEN, Reason.SEEN_ALREADY]


def test_counts_go_on_when_the_clock_is_set_back() -> None:
    counts = Counts()
    for now in (NOW, NOW - 7200, NOW + 60, NOW - 7200):
        counts.note(Outcome.OPEN, Reason.GREEN, milliseconds=1, now=now)
    done = counts.take_all()
    assert sum(getattr(each, "outcomes", {}).get("open", 0) for each in done) == 4
    assert counts.totals(NOW).latency_sum_ms == 4


def test_a_lane_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    station = Station()
    for _ in range(50):
        station.play((station.issuer.paper(),), station.wait(3.0))
    wait_for(lambda: threading.active_count() <= before, "the timers and lanes have ended")
