"""What systemd is told, at a real datagram socket: that the reader is ready, that every part of it makes steps."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.device.test_lane import ScriptedSource, Station
from tests.device.test_run import READY, Gate, gate  # noqa: F401 - a fixture
from tests.support.publishing import wait_for

from waypass_reader.errors import SourceError
from waypass_reader.frames import Source, SourceOpener
from waypass_reader.frames.doubles import HandFedCamera
from waypass_reader.frames.newest import NewestFrames
from waypass_reader.lane import Lane
from waypass_reader.log import RecordingLog
from waypass_reader.supervision import HANGS_NS, Notifier, Supervision, notifier_of, status_line
from waypass_reader.turnstile import RecordingTurnstile

SECONDS = 40.0


class Supervisor:
    """A socket as systemd has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.settimeout(SECONDS)

    def hear(self) -> list[str]:
        """The next datagram's lines."""
        return self._socket.recv(4096).decode().split("\n")

    def hear_until(self, wanted: str) -> list[str]:
        """All lines up to the wanted one."""
        heard: list[str] = []
        while wanted not in heard:
            heard += self.hear()
        return heard

    def silent(self) -> bool:
        """Whether nothing waits."""
        self._socket.setblocking(False)
        try:
            self._socket.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(SECONDS)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@waypass-test-{tmp_path.name}"
    heard = Supervisor(address)
    yield heard
    heard.close()


def test_ready_then_alive_then_what_hangs_then_the_end(supervisor: Supervisor) -> None:
    log = RecordingLog()
    told = Supervision(notifier_of({"NOTIFY_SOCKET": supervisor.address}), log=log)
    told.ready()
    assert supervisor.hear() == ["READY=1"]
    told.look(hangs=[], status="1 lane")
    assert supervisor.hear() == ["STATUS=1 lane", "WATCHDOG=1"]
    told.look(hangs=[], status="1 lane")
    assert supervisor.hear() == ["WATCHDOG=1"]
    told.look(hangs=["lane north"], status="1 lane")
    told.look(hangs=["lane north"], status="1 lane")
    assert supervisor.silent()
    told.look(hangs=["lane north"], status="2 lanes")
    assert supervisor.hear() == ["STATUS=2 lanes"]
    told.look(hangs=[], status="2 lanes")
    assert supervisor.hear() == ["WATCHDOG=1"]
    told.stopping()
    assert supervisor.hear() == ["STOPPING=1", "STATUS=ending"]
    assert log.lines == [
        ("a part hangs; the watchdog is not told that all is well", {"parts": ["lane north"]}),
        ("no part hangs any more", {}),
    ]


@pytest.mark.parametrize("address", [None, "", "/no/such/socket", "@nobody-listens-here", "x" * 200])
def test_nobody_to_tell_ends_nothing(address: str | None) -> None:
    notifier = Notifier(address)
    for _ in range(3):
        notifier.say("WATCHDOG=1")


def test_a_supervisor_that_does_not_listen_holds_nobody_up(supervisor: Supervisor) -> None:
    notifier = Notifier(supervisor.address)
    for _ in range(5000):  # far more than its queue takes
        notifier.say("WATCHDOG=1")
    assert supervisor.hear() == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("line", "lanes", "lists", "oldest", "connected"),
    [
        ("1 lane; no lists", {"north": True}, 0, None, None),
        (
            "2 lanes; out of order: south; 1 lists, current; broker connected",
            {"north": True, "south": False},
            1,
            59,
            True,
        ),
        ("1 lane; 3 lists, up to 61 min old; no broker", {"north": True}, 3, 3700, False),
        ("1 lane; 1 lists, of unknown age; no broker", {"north": True}, 1, None, False),
    ],
)
def test_one_line_says_how_it_stands(
    line: str, lanes: dict[str, bool], lists: int, oldest: int | None, connected: bool | None
) -> None:
    assert status_line(lanes=lanes, lists=lists, oldest=oldest, connected=connected) == line


@contextlib.contextmanager
def running(lane: Lane) -> Iterator[None]:
    thread = threading.Thread(target=lane.run)
    thread.start()
    try:
        yield
    finally:
        lane.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()


class StuckTurnstile(RecordingTurnstile):
    """A relay whose driver does not come back before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck = threading.Event()
        self.goes_on = threading.Event()

    def open(self) -> None:
        self.stuck.set()
        self.goes_on.wait(SECONDS)
        super().open()


def test_a_lane_that_hangs_is_found_and_one_that_goes_on_is_not() -> None:
    turnstile = StuckTurnstile()
    station = Station(turnstile=turnstile)
    source = ScriptedSource(station.clock, [(station.issuer.paper(),)])
    lane = station.lane(lambda: source)
    assert not lane.hangs(station.clock.monotonic_ns() + 10 * HANGS_NS)  # it has not begun
    with running(lane):
        assert turnstile.stuck.wait(SECONDS)
        now_ns = station.clock.monotonic_ns()
        assert not lane.hangs(now_ns + HANGS_NS - 1)
        assert lane.hangs(now_ns + HANGS_NS)
        turnstile.goes_on.set()
        wait_for(lambda: not lane.hangs(now_ns + HANGS_NS), "its source has ended, and it with it")


def test_a_lane_that_stays_open_does_not_hang() -> None:
    station = Station()
    lane = station.lane(lambda: ScriptedSource(station.clock, [(station.issuer.paper(),)]), open_seconds=60)
    with running(lane):
        wait_for(lambda: station.turnstile.opened == 1, "it is open")
        for _ in range(2):
            station.clock.advance(HANGS_NS / 1e9)
            wait_for(lambda: not lane.hangs(station.clock.monotonic_ns()), "its thread comes by while it is open")


def test_a_driver_that_hangs_while_it_opens_does_not_hang_its_lane() -> None:
    station, goes_on = Station(), threading.Event()
    tries: list[int] = []

    def open_camera() -> Source:
        tries.append(1)
        goes_on.wait(SECONDS)
        return NewestFrames(HandFedCamera(), name="camera X", stall_seconds=5, clock_ns=station.clock.monotonic_ns)

    lane = station.lane(SourceOpener(open_camera, patience_seconds=0.05))
    with running(lane):
        wait_for(lambda: "its driver hangs; pull its cable" in lane.camera, "the lane says so")
        station.clock.advance(HANGS_NS / 1e9)
        wait_for(lambda: not lane.hangs(station.clock.monotonic_ns()), "its thread goes on trying")
        assert tries == [1]
        goes_on.set()
        wait_for(lambda: lane.in_order or tries == [1], "what was opened at last is taken")
    assert tries == [1]


def test_what_opening_raises_is_raised_to_the_lane() -> None:
    def fail() -> Source:
        raise TimeoutError("a driver's own")

    def refuse() -> Source:
        raise SourceError("camera X: not there")

    with pytest.raises(TimeoutError, match="a driver's own"):
        SourceOpener(fail)()
    opener = SourceOpener(refuse)
    for _ in range(2):
        with pytest.raises(SourceError, match="camera X: not there"):
            opener()


def test_a_reader_tells_who_supervises_it(gate: Gate, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("NOTIFY_SOCKET", supervisor.address)
    gate.configure(
        more='[[lane]]\nname = "south"\ndisplay = "none"\nsource = { kind = "camera", device = "/dev/no-camera" }\n'
        'turnstile = { pins = "mock", relay = 1, lamp_go = 2, lamp_wait = 3 }\n'
    )
    with gate.run() as reader:
        reader.wait_for_line(READY, timeout=30)
        heard = supervisor.hear_until("STATUS=2 lanes; out of order: south; no lists")
        assert heard[0] == "READY=1"
        assert "WATCHDOG=1" in supervisor.hear()
        assert reader.terminate() == 0
        assert supervisor.hear_until("STOPPING=1")
