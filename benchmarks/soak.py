"""Does a reader keep going? A real reader process, a real broker, people without end, and everything failing at random.

What runs: Mosquitto (or the embedded broker where it is not installed) behind a cable that can be pulled, a reader with
three lanes (a camera, as a folder of rendered frames, a 2D scanner on a serial line, and `soak_video`: 30 frames a
second and a rotation sensor), one person after the other at each lane, an issuer that withdraws passes and signs heads,
and `soak_faults`.

At the end three things have to be so, otherwise the exit code is 1:

1. memory is flat: in the second half, the line through its resident size rises by no more than `RISE_MB`. The first
   half is for what fills up by design: re-entry memory (20 minutes), a ring of 64 deltas, the allocator's arenas
2. no frame is later than the next: from frame to decision takes less than a frame's time (`--frame-ms`). The camera of
   30 frames a second is told apart, `video_late_frames` against 33.3 ms, since there the machine's other work shows
3. counts are exact: each person got the answer that was due, and what the reader counted over MQTT is that, by outcome
   and as far as it is not merged by reason, with nothing lost or counted twice; who went in as the sensor saw it

Each pass, and each of its parts of 40 letters, is also looked for in what the reader wrote: log, screen and disk.
"""

import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console
from rich.table import Table

from soak_faults import Faults, PluggedScanner
from soak_hall import LIST_URI, NETWORK, READER, SCOPE, Issuer, Shown, Visitor, pictures_of
from soak_video import VIDEO, VideoLane
from waypass_protocol.messages import HourCounts, MinuteCounts, StateMessage, read_message
from waypass_protocol.reasons import DECISIONS, Outcome
from waypass_protocol.topics import Topics
from waypass_simulator.brokers import BrokerKind, LocalBroker, mosquitto_program
from waypass_simulator.frame_folder import FrameFolder
from waypass_simulator.processes import Program, Stream
from waypass_simulator.relay import Relay

RISE_MB = 4.0
ANSWER_SECONDS = 4.0
TRIES = 20
CAMERA, SCANNER = "camera", "scanner"
VIDEO_FRAME_MS = 1000 / 30


class Hall:
    """The server's side: publishes, and hears what the reader counts. It has a connection without the relay."""

    def __init__(self, issuer: Issuer, broker: LocalBroker) -> None:
        self._issuer = issuer
        self._topics = Topics(NETWORK)
        self._lock = threading.Lock()
        self.counts: set[bytes] = set()
        self.state: StateMessage | None = None
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(f"{self._topics.root}/reader/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = self._hear
        self._client.connect(broker.host, broker.port, keepalive=60)
        self._client.loop_start()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="server", daemon=True)

    def start(self) -> None:
        """Publish the present, and go on withdrawing."""
        self.publish_all()
        self._thread.start()

    def publish_all(self) -> None:
        """After the broker came back with nothing."""
        if not self._subscribed.wait(30):
            raise TimeoutError("expected the broker to take a subscription")
        self.publish(self._topics.snapshot("1"), self._issuer.snapshot())
        self.publish(self._topics.head, self._issuer.head())

    def publish(self, topic: str, data: bytes) -> None:
        """Retained."""
        self._client.publish(topic, data, qos=1, retain=True)

    def held(self) -> int:
        """The version of the list that the reader says it holds."""
        rows = self.state.lists if self.state else ()
        return next((row.version for row in rows if row.uri == LIST_URI), 0)

    def stop(self) -> None:
        """No more changes; the connection stays."""
        self._stopping.set()
        self._thread.join()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _work(self) -> None:
        while not self._stopping.wait(2.0):
            self.publish(self._topics.delta("1", self._issuer.version + 1), self._issuer.withdraw())
            if self._issuer.version % 30 == 0:
                self.publish(self._topics.snapshot("1"), self._issuer.snapshot())
            self.publish(self._topics.head, self._issuer.head())

    def _hear(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        leaf = message.topic.rpartition("/")[2]
        if leaf == "counts":
            # A broker may deliver twice; no two periods are the same to the last byte.
            self.counts.add(bytes(message.payload))
        elif leaf == "state":
            heard = read_message(leaf, bytes(message.payload))
            self.state = heard if isinstance(heard, StateMessage) else None


@dataclass(kw_only=True, slots=True)
class Tally:
    """What was shown and answered."""

    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    again: int = 0
    latency_ms: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class LaneQueue:
    """People at one lane, one after the other, in a thread of their own."""

    def __init__(self, lane: str, *, reader: Program, visitor: Visitor, hall: Hall, stopping: threading.Event) -> None:
        self.lane = lane
        self.tally = Tally()
        self._reader = reader
        self._visitor = visitor
        self._hall = hall
        self._stopping = stopping
        self._read = 0
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=lane, daemon=True)

    def show(self, shown: Shown, attempt: int) -> None:
        """Hold it before the lane's eyes."""
        raise NotImplementedError

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._serve(self._visitor.next(self._hall.held()))
        except BaseException as error:  # noqa: BLE001 - the main thread looks
            self.error = error
            self._stopping.set()

    def _serve(self, shown: Shown) -> None:
        for attempt in range(TRIES):
            self.show(shown, attempt)
            line = self._answer()
            if line is not None:
                break
            self.tally.again += 1
        else:
            self.tally.wrong.append(f"{self.lane}: {shown.reason.value} had no answer")
            return
        self.tally.reasons[line["reason"]] += 1
        self.tally.latency_ms.append(line["frame_to_decision_ms"])
        self.tally.texts.append(shown.text)
        if line["reason"] != shown.reason.value:
            self.tally.wrong.append(f"{self.lane}: expected {shown.reason.value}, got {line['reason']}")
        if line["outcome"] == "open":
            self._visitor.note_opened(shown.text)

    def _answer(self) -> dict[str, Any] | None:
        """The lane's next line."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline and self._reader.exit_code is None:
            lines = self._reader.lines(Stream.STDOUT)
            while self._read < len(lines):
                line: dict[str, Any] = json.loads(lines[self._read])
                self._read += 1
                if line["lane"] == self.lane:
                    return line
            time.sleep(0.01)
        return None


class CameraQueue(LaneQueue):
    """People before the camera."""

    def __init__(self, *, frames: FrameFolder, faults: Faults, seed: int, **rest: Any) -> None:
        super().__init__(CAMERA, **rest)
        self._frames = frames
        self._faults = faults
        self._rng = np.random.default_rng(seed)

    def show(self, shown: Shown, attempt: int) -> None:
        """One frame a try; it is looked at before the camera may go."""
        picture = pictures_of(shown.text, self._rng)[attempt % 2]
        with self._faults.camera_lock:
            path = self._frames.show(picture)
            while path.exists() and self._reader.exit_code is None:
                time.sleep(0.005)


class ScannerQueue(LaneQueue):
    """People before the scanner."""

    def __init__(self, *, scanner: PluggedScanner, **rest: Any) -> None:
        super().__init__(SCANNER, **rest)
        self._scanner = scanner

    def show(self, shown: Shown, attempt: int) -> None:  # noqa: ARG002 - the scanner reads all
        """The scanner reads it, unless it is unplugged; that one waits for."""
        with self._scanner.lock:
            self._scanner.pty.scan(shown.text)
        time.sleep(0.1)


def main(
    minutes: Annotated[float, typer.Option(min=0.2, help="How long people come.")] = 60.0,
    frame_ms: Annotated[float, typer.Option(help="The time of a frame at the folder and the scanner.")] = 100.0,
    seed: Annotated[int, typer.Option(help="Of people and faults.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One object.")] = False,
) -> None:
    """Run the soak; exit code 1 when something was not as it has to be."""
    with tempfile.TemporaryDirectory(prefix="waypass-soak-") as folder:
        result = soak(Path(folder), minutes=minutes, frame_ms=frame_ms, seed=seed)
    if as_json:
        print(json.dumps(result))
    else:
        _print_table(result)
    sys.exit(0 if result["passed"] else 1)


def soak(folder: Path, *, minutes: float, frame_ms: float, seed: int) -> dict[str, Any]:
    """One run."""
    issuer = Issuer(seed)
    kind = BrokerKind.MOSQUITTO if mosquitto_program() else BrokerKind.EMBEDDED
    scanner = PluggedScanner(folder / "scanner")
    frames = FrameFolder(folder / "frames")
    stopping = threading.Event()
    video = VideoLane(folder, issuer, seed=seed + 4, stopping=stopping)
    with LocalBroker(kind, folder) as broker, Relay(broker.port) as relay:
        hall = Hall(issuer, broker)
        _configure(folder, issuer, port=relay.port)
        command = [sys.executable, "-c", "from waypass_reader.cli import main; main()", "run", "--config"]
        with Program([*command, folder / "reader.toml"]) as reader:
            hall.start()
            reader.wait_for_line(r'"event": "ready"', timeout=60)
            _wait(lambda: hall.held() == issuer.version, "the reader holds the list")
            faults = Faults(
                rng=random.Random(seed + 1),
                broker=broker,
                relay=relay,
                scanner=scanner,
                folder=folder,
                issuer=issuer,
                server=hall.publish_all,
                publish=hall.publish,
            )
            rest: dict[str, Any] = {"reader": reader, "hall": hall, "stopping": stopping}
            queues: list[LaneQueue] = [
                CameraQueue(frames=frames, faults=faults, seed=seed, visitor=_visitor(issuer, seed + 2), **rest),
                ScannerQueue(scanner=scanner, visitor=_visitor(issuer, seed + 3), **rest),
            ]
            sizes, pause_ms = _let_people_come([*queues, video], faults, reader, stopping, minutes=minutes)
            hall.stop()
            _wait(lambda: hall.held() == issuer.version, "the reader has caught up")
            code = reader.terminate(timeout=30)
            video.close()
            result = _judge(
                queues, video, video.lines(reader), hall, sizes, pause_ms=pause_ms, frame_ms=frame_ms, code=code
            )
            result |= {"broker": kind.value, "minutes": minutes, "faults": dict(sorted(faults.made.items()))}
            texts = [text for queue in queues for text in queue.tally.texts] + video.texts
            result["leaks"] = _leaks(texts, reader, folder / "state")
            result["passed"] = result["passed"] and result["leaks"] == 0
        hall.close()
        return result


def _visitor(issuer: Issuer, seed: int) -> Visitor:
    return Visitor(issuer=issuer, rng=random.Random(seed))


def _let_people_come(
    queues: Sequence[LaneQueue | VideoLane],
    faults: Faults,
    reader: Program,
    stopping: threading.Event,
    *,
    minutes: float,
) -> tuple[list[tuple[float, float]], float]:
    """For so long; the reader's resident megabytes each second, with their seconds.

    Also for how many milliseconds the machine let this process wait at most when it wanted to go on: what it does to
    one process it does to another, so a late frame beside a long pause is the machine's."""
    for queue in queues:
        queue.thread.start()
    faults.start()
    begun = time.monotonic()
    sizes: list[tuple[float, float]] = []
    pause = 0.0
    while (at := time.monotonic() - begun) < minutes * 60 and not stopping.is_set() and reader.exit_code is None:
        if at >= len(sizes):
            sizes.append((at, _resident_mb(reader.pid)))
        before = time.monotonic()
        time.sleep(0.01)
        pause = max(pause, time.monotonic() - before - 0.01)
    faults.stop()
    stopping.set()
    for queue in queues:
        queue.thread.join()
        if queue.error is not None:
            raise queue.error
    return sizes, round(pause * 1000, 1)


def _judge(
    queues: list[LaneQueue],
    video: VideoLane,
    said: Sequence[dict[str, Any]],
    hall: Hall,
    sizes: list[tuple[float, float]],
    *,
    pause_ms: float,
    frame_ms: float,
    code: int,
) -> dict[str, Any]:
    shown: Counter[str] = Counter()
    for queue in queues:
        shown.update(queue.tally.reasons)
    shown.update(line["reason"] for line in said)
    outcomes: Counter[str] = Counter()
    for reason, number in shown.items():
        outcomes[next(one.outcome.value for name, one in DECISIONS.items() if name.value == reason)] += number
    _wait(lambda: sum(_counted(hall)[0].values()) >= sum(outcomes.values()), "all counts", seconds=20, must=False)
    minutes, reasons, fewer, latency, passed = _counted(hall)
    wrong = [each for queue in queues for each in queue.tally.wrong]
    wrong += [f"{VIDEO}: expected green, got {line['reason']}" for line in said if line["reason"] != "green"]
    if abs(video.shown - len(said)) > 1:  # the last one may be cut off
        wrong.append(f"{VIDEO}: {video.shown} walked up, {len(said)} had an answer")
    waits = sorted(ms for queue in queues for ms in queue.tally.latency_ms)
    late = sum(ms >= frame_ms for ms in waits)
    rise, slope = _rise(sizes)
    exact = (
        minutes == outcomes
        and sum(reasons.values()) + fewer == sum(shown.values()) == latency
        and all(shown[reason] >= number for reason, number in reasons.items())
        and passed == sum(line["outcome"] == "open" for line in said)
    )
    video_ms = sorted(line["frame_to_decision_ms"] for line in said)
    return {
        "passed": code == 0 and exact and not wrong and not late and rise <= RISE_MB,
        "exit_code": code,
        "people": sum(shown.values()),
        "people_by_lane": {queue.lane: sum(queue.tally.reasons.values()) for queue in queues} | {VIDEO: len(said)},
        "entries_by_sensor": passed,
        "shown_again": sum(queue.tally.again for queue in queues),
        "shown_outcomes": dict(sorted(outcomes.items())),
        "counted_outcomes": dict(sorted(minutes.items())),
        "shown_reasons": dict(sorted(shown.items())),
        "counted_reasons": dict(sorted(reasons.items())) | {"fewer": fewer},
        "counts_exact": exact,
        "wrong_answers": wrong,
        "frame_ms": frame_ms,
        "machine_pause_max_ms": pause_ms,
        "late_frames": late,
        "p50_ms": round(waits[len(waits) // 2], 2) if waits else None,
        "p99_ms": round(waits[len(waits) * 99 // 100], 2) if waits else None,
        "max_ms": round(waits[-1], 2) if waits else None,
        "video_late_frames": sum(ms >= VIDEO_FRAME_MS for ms in video_ms),
        "video_p99_ms": round(video_ms[len(video_ms) * 99 // 100], 2) if video_ms else None,
        "video_max_ms": round(video_ms[-1], 2) if video_ms else None,
        "memory_first_mb": round(sizes[0][1], 1),
        "memory_last_mb": round(sizes[-1][1], 1),
        "memory_each_minute_mb": [round(size, 1) for _, size in sizes[::60]],
        "memory_rise_mb": round(rise, 2),
        "memory_slope_mb_per_hour": round(slope, 2),
        "health": dict(hall.state.health) if hall.state else {},
        "refused_messages": dict(hall.state.reports) if hall.state else {},
    }


def _counted(hall: Hall) -> tuple[Counter[str], Counter[str], int, int, int]:
    """What the reader counted: outcomes by its minutes, reasons, merged ones and latencies by its hours; and how many
    a rotation sensor saw go in."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    fewer = latency = passed = 0
    for data in list(hall.counts):
        message = read_message("counts", data)
        if isinstance(message, MinuteCounts):
            # How openings ended is counted beside them.
            passed += message.outcomes.get("passed", 0)
            outcomes.update({name: number for name, number in message.outcomes.items() if name in set(Outcome)})
        elif isinstance(message, HourCounts):
            reasons.update(message.reasons)
            fewer += message.fewer
            latency += sum(message.latency)
    return outcomes, reasons, fewer, latency, passed


def _rise(sizes: list[tuple[float, float]]) -> tuple[float, float]:
    """By how many megabytes the line through the sizes rises, and how many an hour; in the second half."""
    warm = sizes[len(sizes) // 2 :]
    at, size = np.array(warm).T
    slope = float(np.polyfit(at, size, 1)[0])
    return slope * float(at[-1] - at[0]), slope * 3600


def _leaks(texts: Sequence[str], reader: Program, state: Path) -> int:
    """How many parts of passes are in what the reader wrote."""
    written = [reader.text(stream).encode() for stream in Stream]
    written += [path.read_bytes() for path in state.rglob("*") if path.is_file()]
    everything = b"\0".join(written)
    parts = [text[4:][at : at + 40] for text in texts for at in (0, 60, 120)]
    return sum(part.encode() in everything for part in set(parts) if len(part) == 40)


def _resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"expected VmRSS of process {pid}")


def _wait(true: Any, what: str, *, seconds: float = 60, must: bool = True) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            if must:
                raise TimeoutError(f"expected within {seconds:g} s: {what}")
            return
        time.sleep(0.02)


def _configure(folder: Path, issuer: Issuer, *, port: int) -> None:
    (folder / "trust.json").write_text(issuer.trust.to_json(), encoding="utf-8")
    lanes = "".join(
        f'[[lane]]\nname = "{name}"\ndisplay = "lines"\nsource = {source}\n'
        f'turnstile = {{ pins = "mock", relay = {pin}, lamp_go = {pin + 1}, lamp_wait = {pin + 2}, '
        "open_seconds = 0.1, pulse_seconds = 0.05 }\n"
        for pin, name, source in (
            (2, CAMERA, '{ kind = "folder", path = "frames", follow = true, consume = true }'),
            (5, SCANNER, f'{{ kind = "serial", device = "{folder}/scanner" }}'),
        )
    )
    lanes += (
        f'[[lane]]\nname = "{VIDEO}"\ndisplay = "lines"\nsource = {{ kind = "pipe", path = "{VIDEO}.pipe" }}\n'
        'turnstile = { pins = "mock", relay = 8, lamp_go = 9, lamp_wait = 10, sensor = 11, open_seconds = 3, '
        "pulse_seconds = 0.1, simulated = { walk_seconds = 0.4, turn_seconds = 0.1 } }\n"
    )
    (folder / "reader.toml").write_text(
        f'reader = "{READER}"\nnetwork = "{NETWORK}"\nstation = "soak"\nkeys = "trust.json"\nstate = "state"\n'
        f'scope = {SCOPE}\nclock = "assume-synchronised"\npolicy = {{ identity_check_paper = false }}\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {port}\n{lanes}',
        encoding="utf-8",
    )


def _print_table(result: dict[str, Any]) -> None:
    table = Table(title=f"{result['minutes']:g} minutes, {result['people']} people")
    table.add_column("what")
    table.add_column("measured")
    for name, value in result.items():
        table.add_row(name, json.dumps(value) if isinstance(value, dict | list) else str(value))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
