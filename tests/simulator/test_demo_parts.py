"""The parts of the demonstration, each with real neighbours: a broker, and a program in the reader's place."""

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from rich.console import Console
from tests.support.brokers import BrokerKind, LocalBroker
from tests.support.gates import stand_in
from tests.support.mqtt import Client

from waypass_protocol.messages import HeldRow, Presence, PresenceMessage, ReaderMessage, StateMessage, encode_message
from waypass_protocol.topics import Topics
from waypass_simulator.api import Refused, Unanswered
from waypass_simulator.demo.deployment import Deployment
from waypass_simulator.demo.gate import Gate
from waypass_simulator.demo.play import find_shared, summary
from waypass_simulator.demo.report import ConsoleNarrator, Report, StepResult, Story
from waypass_simulator.demo.scene import Scene
from waypass_simulator.demo.watch import Held, StateWatch
from waypass_simulator.errors import SimulatorError, UsageError
from waypass_simulator.health import HealthAuthority
from waypass_simulator.optics import Picture
from waypass_simulator.processes import ProgramError, free_port

NOW = 1_800_000_000
SECONDS = 40.0
GREEN = ("open", "green", "green")
TOPICS = Topics("metro")


class RememberingNarrator:
    """Writes down what it is told, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def chapter(self, title: str) -> None:
        self.heard.append(("chapter", title))

    def step(self, result: StepResult) -> None:
        self.heard.append(("step", result))

    def note(self, words: str) -> None:
        self.heard.append(("note", words))


def step(*, ok: bool = True, figures: Mapping[str, object] | None = None) -> StepResult:
    return StepResult(chapter="One", did="did", expected="this", seen="that", ok=ok, figures=figures or {})


def report(*steps: StepResult, propagation: Mapping[str, list[float]] | None = None) -> Report:
    return Report(
        started_at=NOW,
        seconds=12.3,
        seed=7,
        ok=all(each.ok for each in steps),
        steps=steps,
        propagation_ms=propagation or {},
        frame_to_decision_ms={},
    )


# --- report


def test_a_story_without_steps_is_not_good() -> None:
    assert not Story(RememberingNarrator()).ok


@pytest.mark.parametrize(("outcomes", "good"), [([True], True), ([True, False, True], False), ([False], False)])
def test_a_story_is_good_while_every_step_is(outcomes: list[bool], good: bool) -> None:
    story = Story(RememberingNarrator())
    for ok in outcomes:
        story.step("did", expected="this", seen="that", ok=ok)
    assert story.ok is good


def test_a_story_tells_its_narrator_everything_in_order() -> None:
    narrator = RememberingNarrator()
    story = Story(narrator)
    story.chapter("One")
    story.note("a note")
    result = story.step("did", expected="this", seen="that", ok=True, figures={"frames": 2})
    assert narrator.heard == [("chapter", "One"), ("note", "a note"), ("step", result)]
    assert (result.chapter, result.figures, story.results) == ("One", {"frames": 2}, [result])


def told(result: StepResult, *, width: int = 80) -> str:
    page = io.StringIO()
    ConsoleNarrator(Console(file=page, width=width, highlight=False)).step(result)
    return page.getvalue()


def test_a_good_step_is_told_with_its_figures_in_words() -> None:
    page = told(step(figures={"frame_to_decision_ms": 2.5, "frames": 3}))
    assert [line.rstrip() for line in page.splitlines()] == [
        "  ok   did",
        "       that",
        "       frame to decision 2.5 ms, frames 3",
    ]


def test_a_bad_step_says_what_was_expected() -> None:
    lines = [line.rstrip() for line in told(step(ok=False)).splitlines()]
    assert lines == ["  FAIL did", "       that", "       expected: this"]


def test_long_words_keep_their_indentation_on_a_narrow_terminal() -> None:
    long = StepResult(chapter="One", did="one two three four five six", expected="", seen="seven eight nine", ok=True)
    lines = told(long, width=20).splitlines()
    assert len(lines) > 3
    assert all(line.startswith(("  ok   ", "       ")) for line in lines)


def test_words_in_brackets_are_not_taken_for_a_style() -> None:
    result = StepResult(chapter="One", did="shows [red]", expected="", seen="[/] is seen", ok=True)
    assert "shows [red]" in told(result)
    assert "[/] is seen" in told(result)


def test_a_report_is_written_as_one_json_object(tmp_path: Path) -> None:
    report(step(figures={"frames": 1}), propagation={"gate-a": [1.5]}).write(tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (read["started_at"], read["seed"], read["ok"]) == (NOW, 7, True)
    assert read["steps"][0]["figures"] == {"frames": 1}
    assert read["propagation_ms"] == {"gate-a": [1.5]}


def test_a_report_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere.*cannot be written: No such file"):
        report(step()).write(tmp_path / "nowhere" / "report.json")


def test_the_summary_counts_steps_and_leaves_out_what_was_not_measured() -> None:
    line = summary(report(step(), step(ok=False), propagation={"gate-a": [10.0, 30.0], "gate-b": [20.0]}))
    assert line == "1 of 2 steps came out as they should, in 12 s; push to gate: median 20.0 ms"


def test_shared_vectors_are_found_only_where_they_are(tmp_path: Path) -> None:
    assert find_shared(tmp_path, environment={}) is None
    (tmp_path / "elsewhere" / "vectors" / "hcert").mkdir(parents=True)
    place = str(tmp_path / "elsewhere")
    assert find_shared(tmp_path, environment={"WAYPASS_SHARED": place}) == tmp_path / "elsewhere"


# --- the gate, with a program in the reader's place

SAYS_GREEN = {"outcome": "open", "reason": "green", "aspect": "green", "frame_to_decision_ms": 4.2}
FRAME: Picture = np.zeros((8, 8), dtype=np.uint8)

MakeGate = Callable[[object], Gate]


@pytest.fixture
def make_gate(tmp_path: Path) -> Iterator[MakeGate]:
    """A gate whose reader says the same to every frame: a row, nothing (None), or its end ("end")."""
    gates: list[Gate] = []

    def make(says: object) -> Gate:
        gates.append(stand_in(tmp_path, says))
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


def test_a_gate_gives_the_readers_verdict(make_gate: MakeGate) -> None:
    gate = make_gate(SAYS_GREEN)
    gate.start()
    verdict = gate.show([FRAME] * 3)
    assert verdict is not None
    assert (verdict.outcome, verdict.reason, verdict.aspect, verdict.frame_to_decision_ms) == (*GREEN, 4.2)
    assert 1 <= verdict.frames <= 3
    assert list(gate.timings) == [4.2]


def test_a_gate_that_reads_nothing_has_no_verdict_and_takes_every_frame(make_gate: MakeGate) -> None:
    gate = make_gate(None)
    gate.start()
    assert gate.show([FRAME] * 2, paced=False) is None
    gate.wait_empty(timeout=SECONDS)
    assert not gate.timings


def test_a_reader_that_ends_is_not_taken_for_one_that_reads_nothing(make_gate: MakeGate) -> None:
    gate = make_gate("end")
    gate.start()
    with pytest.raises(ProgramError, match="ended with 3"):
        gate.show([FRAME] * 2)


def test_a_gate_that_was_not_started_says_so(make_gate: MakeGate) -> None:
    with pytest.raises(SimulatorError, match="gate-a: the reader is not running"):
        make_gate(SAYS_GREEN).show([FRAME])


def test_a_gate_keeps_what_its_readers_said_over_a_restart(make_gate: MakeGate) -> None:
    gate = make_gate(SAYS_GREEN)
    for _ in range(2):
        gate.start()
        gate.show([FRAME])
        gate.kill()
    assert gate.said().count('"ready"') == 2


def test_a_reader_that_ended_is_started_again_and_what_it_said_is_kept(make_gate: MakeGate) -> None:
    gate = make_gate(SAYS_GREEN)
    gate.start()
    ended = gate.program
    assert ended is not None
    ended.kill()
    gate.offer(FRAME)
    gate.launch_again()
    gate.wait_ready()
    assert gate.running
    assert gate.verdict(0, frames=0, within=0.2) is None  # no frame was left for it
    gate.close()
    assert gate.said().count('"ready"') == 2


def test_a_reader_that_cannot_be_started_again_is_still_there_as_ended(make_gate: MakeGate, tmp_path: Path) -> None:
    gate = make_gate(SAYS_GREEN)
    gate.start()
    ended = gate.program
    assert ended is not None
    ended.kill()
    for program in tmp_path.glob("reader-*"):
        program.unlink()
    with pytest.raises(ProgramError, match="could not start"):
        gate.launch_again()
    assert gate.program is ended


# --- the scene


def scene_with(gate: Gate | None, tmp_path: Path, *, watch: StateWatch | None = None) -> tuple[Scene, Story]:
    deployment = Deployment(folder=tmp_path)
    if gate is not None:
        deployment.gates["gate-a"] = gate
    story = Story(RememberingNarrator())
    authority = HealthAuthority.make(key=ec.derive_private_key(5, ec.SECP256R1()), random=lambda n: b"\1" * n, now=NOW)
    scene = Scene(
        story=story,
        deployment=deployment,
        watch=watch or StateWatch(topics=TOPICS, port=free_port()),
        rng=np.random.default_rng(1),
        authority=authority,
    )
    return scene, story


@pytest.mark.parametrize(
    ("name", "expected", "ok"),
    [
        ("as expected", GREEN, True),
        ("another outcome", ("assist", "green", "green"), False),
        ("another reason", ("open", "yellow", "green"), False),
        ("another aspect", ("open", "green", "yellow"), False),
    ],
)
def test_a_verdict_counts_only_when_all_of_it_is_as_expected(
    make_gate: MakeGate, tmp_path: Path, name: str, expected: tuple[str, str, str], ok: bool
) -> None:
    gate = make_gate(SAYS_GREEN)
    gate.start()
    scene, story = scene_with(gate, tmp_path)
    scene.expect_at("gate-a", name, lambda: "SOME CODE", expected)
    (result,) = story.results
    assert result.ok is ok
    assert result.seen == "gate-a: open (green), shown green"
    assert result.figures["frame_to_decision_ms"] == 4.2
    assert scene.shown == ["SOME CODE"]


def test_a_code_that_is_never_read_is_shown_again_and_then_fails(make_gate: MakeGate, tmp_path: Path) -> None:
    gate = make_gate(None)
    gate.start()
    scene, story = scene_with(gate, tmp_path)
    scene.expect_at("gate-a", "somebody", lambda: "SOME CODE", GREEN)
    assert (story.results[0].ok, story.results[0].seen) == (False, "the gate could not read the code")
    assert scene.shown == ["SOME CODE"] * 4


def refuse() -> None:
    raise Refused(409, "approve: expected another person")


@pytest.mark.parametrize(
    ("name", "act", "words", "ok", "seen"),
    [
        ("refused as expected", refuse, "another", True, "approve: expected another person"),
        ("refused for another reason", refuse, "basis", False, "approve: expected another person"),
        ("done", lambda: None, "another", False, "the server did it"),
    ],
)
def test_a_refusal_must_come_and_say_why(
    tmp_path: Path, name: str, act: Callable[[], None], words: str, ok: bool, seen: str
) -> None:
    scene, story = scene_with(None, tmp_path)
    scene.expect_refused(name, act, words)
    assert (story.results[0].ok, story.results[0].seen) == (ok, seen)


def test_another_error_than_a_refusal_is_not_taken_for_one(tmp_path: Path) -> None:
    def act() -> None:
        raise Unanswered("no answer")

    scene, story = scene_with(None, tmp_path)
    with pytest.raises(Unanswered):
        scene.expect_refused("somebody", act, "no answer")
    assert story.results == []


# --- the watch, over a real broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    with LocalBroker(BrokerKind.EMBEDDED, tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def speaker(broker: LocalBroker) -> Iterator[Client]:
    """Speaks for readers; what it leaves behind is taken away, since states are retained."""
    with Client("speaker", broker.port) as client:
        yield client
        for name in ("gate-a", "gate-b"):
            client.publish(TOPICS.reader(name, "state"), b"", retain=True)


def state(version: int, *, uri: str = "wp:1", age: int | None = 0, since: float = NOW) -> StateMessage:
    digest = hashlib.sha256(b"%d" % version).hexdigest()
    row = HeldRow(uri=uri, version=version, digest=digest, age=age, since=since)
    return StateMessage(at=NOW, software="1", clock_trusted=True, lists=(row,))


def say(client: Client, reader: str, message: ReaderMessage, *, leaf: str = "state") -> None:
    client.publish(TOPICS.reader(reader, leaf), encode_message(message), retain=True)


def test_the_watch_hears_what_a_reader_holds(broker: LocalBroker, speaker: Client) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        say(speaker, "gate-a", state(3, since=NOW + 0.25))
        held = watch.wait_version("gate-a", "wp:1", 3, timeout=SECONDS)
        assert held == Held(version=3, digest=hashlib.sha256(b"3").hexdigest(), since=NOW + 0.25, age=0)
        assert watch.held("gate-a") == {"wp:1": held}
        assert watch.held("gate-b") == {}


def test_only_a_later_version_than_before_is_newer(broker: LocalBroker, speaker: Client) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        say(speaker, "gate-a", state(3))
        assert watch.wait_version("gate-a", "wp:1", 3, timeout=SECONDS) is not None
        before = watch.held("gate-a")
        assert watch.wait_newer("gate-a", before, timeout=0.0) is None
        say(speaker, "gate-a", state(4))
        newer = watch.wait_newer("gate-a", before, timeout=SECONDS)
        assert newer is not None
        assert newer.version == 4


def test_a_list_of_unknown_age_is_not_current(broker: LocalBroker, speaker: Client) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        say(speaker, "gate-a", state(1, age=None))
        assert watch.wait_version("gate-a", "wp:1", 1, timeout=SECONDS) is not None
        assert watch.wait_current("gate-a", timeout=0.0) == {}
        say(speaker, "gate-a", state(1, age=2))
        assert watch.wait_current("gate-a", timeout=SECONDS).keys() == {"wp:1"}


def test_what_a_reader_said_can_be_forgotten(broker: LocalBroker, speaker: Client) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        say(speaker, "gate-a", state(1))
        assert watch.wait_version("gate-a", "wp:1", 1, timeout=SECONDS) is not None
        watch.forget("gate-a")
        assert watch.held("gate-a") == {}


def test_words_that_are_no_state_change_nothing(broker: LocalBroker, speaker: Client) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        say(speaker, "gate-b", state(1))
        assert watch.wait_version("gate-b", "wp:1", 1, timeout=SECONDS) is not None
        speaker.publish(TOPICS.reader("gate-a", "state"), b"{broken", retain=True)
        say(speaker, "gate-a", PresenceMessage(presence=Presence.ONLINE), leaf="presence")
        say(speaker, "gate-b", state(2))  # the broker keeps the order, so the others have come before this
        assert watch.wait_version("gate-b", "wp:1", 2, timeout=SECONDS) is not None
        assert watch.held("gate-a") == {}


def test_a_push_is_timed_from_when_it_is_sent(
    broker: LocalBroker, speaker: Client, make_gate: MakeGate, tmp_path: Path
) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        scene, story = scene_with(make_gate(None), tmp_path, watch=watch)
        say(speaker, "gate-a", state(1))
        assert watch.wait_version("gate-a", "wp:1", 1, timeout=SECONDS) is not None
        began = threading.Event()

        def act() -> None:
            began.set()
            say(speaker, "gate-a", state(2, since=NOW))

        scene.push("somebody pushes", act)
    (result,) = story.results
    assert began.is_set()
    assert (result.ok, result.seen) == (True, "gate-a holds it")
    assert result.figures.keys() == {"push_to_gate-a_ms"}
    assert scene.propagation == {"gate-a": [result.figures["push_to_gate-a_ms"]]}


def test_a_catching_up_is_timed_and_is_no_push(
    broker: LocalBroker, speaker: Client, make_gate: MakeGate, tmp_path: Path
) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        scene, story = scene_with(make_gate(None), tmp_path, watch=watch)
        say(speaker, "gate-a", state(2, since=NOW + 1.5))
        took = scene.await_change("catches up", {"gate-a": {}}, started=lambda: NOW, since="broker_back")
    assert took == {"gate-a": 1500.0}
    assert story.results[0].figures == {"broker_back_to_gate-a_ms": 1500.0}
    assert scene.propagation == {}


def test_what_takes_effect_later_counts_from_then(
    broker: LocalBroker, speaker: Client, make_gate: MakeGate, tmp_path: Path
) -> None:
    with StateWatch(topics=TOPICS, port=broker.port) as watch:
        scene, _ = scene_with(make_gate(None), tmp_path, watch=watch)
        scene.push("with notice", lambda: say(speaker, "gate-a", state(2, since=NOW + 0.2)), effect=lambda: NOW)
    assert scene.propagation == {"gate-a": [200.0]}
