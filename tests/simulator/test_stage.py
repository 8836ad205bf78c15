"""The stage's own calls, a walkway with a program in the reader's place, and what keeps programs running."""

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.gates import stand_in
from tests.support.publishing import wait_for
from tests.support.small_server import Answer, Asked, Door, serving

from waypass_protocol.reasons import Outcome, Reason
from waypass_reader.decoding import decode_frame
from waypass_simulator.api import Api
from waypass_simulator.camera import walk_up_slowly, watch_hall
from waypass_simulator.carriers import Carrier, code_modules
from waypass_simulator.demo.crowd import Approach, Role
from waypass_simulator.demo.gate import Verdict
from waypass_simulator.demo.keeping import FIRST_SECONDS, LIVED_SECONDS, LONGEST_SECONDS, Keeper
from waypass_simulator.demo.visitors import Visitors
from waypass_simulator.demo.walkway import LIGHT, Board, SomebodyWaits, Walkway
from waypass_simulator.errors import SimulatorError
from waypass_simulator.health import HealthAuthority
from waypass_simulator.processes import Program, ProgramError, Stream, free_port
from waypass_simulator.scenery import paint_hall
from waypass_simulator.stage.door import Door as FrontDoor
from waypass_simulator.stage.door import Serving, listen
from waypass_simulator.stage.proxy import Proxy
from waypass_simulator.stage.stage import SIDES, Link, Play, Stage, read_modules
from waypass_simulator.stage.words import OUTCOMES, PAGE, REASONS, ROLES, Language

SECONDS = 40.0
NOW = 1_800_000_000
BOUND = "WP2:" + "3L5TZ9 K$W:0.XB/" * 28
SUPERSEDED = {"outcome": "assist", "reason": "superseded", "aspect": "yellow", "frame_to_decision_ms": 4.2}
HALL = paint_hall(np.random.default_rng(1), width=160, height=120)


class FewPeople:
    """These come, one after the other, and then nobody."""

    def __init__(self, *approaches: Approach) -> None:
        self._coming = list(approaches)
        self.answers: list[tuple[Role, Verdict | None]] = []

    def next(self, _gate: str) -> Approach | None:
        return self._coming.pop(0) if self._coming else None

    def heard(self, approach: Approach, verdict: Verdict | None) -> None:
        self.answers.append((approach.role, verdict))


def somebody(role: Role = Role.COMMUTER) -> Approach:
    return Approach(role=role, modules=lambda: code_modules("SOME CODE", Carrier.PHONE))


MakeWalkway = Callable[..., Walkway]


@pytest.fixture
def make_walkway(tmp_path: Path) -> Iterator[MakeWalkway]:
    """A walkway whose reader says the same to every frame, with these people; started."""
    walkways: list[Walkway] = []

    def make(says: object, *approaches: Approach) -> Walkway:
        gate = stand_in(tmp_path, says)
        gate.start()
        walkway = Walkway(
            gate=gate,
            people=FewPeople(*approaches),
            board=Board(),
            hall=HALL,
            rng=np.random.default_rng(1),
            pause=(0.0, 0.0),
        )
        walkways.append(walkway)
        walkway.start()
        return walkway

    yield make
    for walkway in walkways:
        walkway.close()
        walkway.gate.close()


def passings(walkway: Walkway) -> list[tuple[Role, str | None]]:
    over = (passing for passing in walkway.board.passings() if passing.over)
    return [(passing.role, passing.verdict.reason if passing.verdict else None) for passing in over]


# --- the camera that goes on seeing one hall


def test_a_walk_up_is_read_from_modules_and_the_hall_has_no_code() -> None:
    hall = paint_hall(np.random.default_rng(11), width=640, height=480)
    modules = code_modules(BOUND, Carrier.PHONE)
    frames = list(walk_up_slowly(modules, np.random.default_rng(3), difficulty=LIGHT, moments=(0.0, 0.3), hall=hall))
    assert [[sighting.text for sighting in decode_frame(frame)] for frame in frames] == [[BOUND], [BOUND]]
    empty = list(watch_hall(np.random.default_rng(3), difficulty=LIGHT, moments=(0.0, 3.0), hall=hall))
    assert [decode_frame(frame) for frame in empty] == [[], []]
    assert {frame.shape for frame in frames + empty} == {hall.shape}


# --- the walkway


def test_people_walk_up_and_the_board_has_what_the_gate_said(make_walkway: MakeWalkway) -> None:
    walkway = make_walkway(SUPERSEDED, somebody(), somebody(Role.PAPER))
    wait_for(lambda: len(passings(walkway)) == 2, "two people")
    assert passings(walkway) == [(Role.COMMUTER, "superseded"), (Role.PAPER, "superseded")]
    assert walkway.board.counts() == {"assist": 2}
    assert not walkway.board.opened.is_set()


def test_a_visitor_is_answered_before_anybody_of_the_crowd(make_walkway: MakeWalkway) -> None:
    walkway = make_walkway({**SUPERSEDED, "outcome": "open", "reason": "green", "aspect": "green"})
    verdict = walkway.hold(code_modules(BOUND, Carrier.PHONE)).result(SECONDS)
    assert verdict is not None
    assert (verdict.outcome, verdict.reason, verdict.aspect) == ("open", "green", "green")
    assert passings(walkway) == [(Role.VISITOR, "green")]
    assert walkway.board.opened.is_set()


def test_a_second_visitor_waits_for_the_first(make_walkway: MakeWalkway) -> None:
    walkway = make_walkway(None)
    first = walkway.hold(code_modules(BOUND, Carrier.PHONE))
    with pytest.raises(SomebodyWaits, match="gate-a: expected nobody before you"):
        walkway.hold(code_modules(BOUND, Carrier.PHONE))
    assert first.result(SECONDS) is None  # the gate could not read it
    assert walkway.board.counts() == {"unread": 1}


def test_a_reader_that_ends_is_waited_for_and_nobody_waits_in_vain(make_walkway: MakeWalkway) -> None:
    walkway = make_walkway("end")
    with pytest.raises(SimulatorError, match=r"ended with 3|is not running"):
        walkway.hold(code_modules(BOUND, Carrier.PHONE)).result(SECONDS)
    walkway.gate.close()
    assert not walkway.gate.running
    walkway.gate.start()
    with pytest.raises(SimulatorError, match=r"ended with 3|is not running"):
        walkway.hold(code_modules(BOUND, Carrier.PHONE)).result(SECONDS)


def test_frames_that_nobody_takes_do_not_pile_up_and_none_is_left(make_walkway: MakeWalkway) -> None:
    walkway = make_walkway(None)
    program = walkway.gate.program
    assert program is not None
    program.pause()
    wait_for(lambda: walkway.gate.waiting() >= 3, "frames wait")
    shot = walkway.newest()
    assert walkway.hold(code_modules(BOUND, Carrier.PHONE)).result(SECONDS) is None
    assert walkway.gate.waiting() == 3
    assert walkway.newest() == shot  # nothing is shown that the reader was not given
    program.resume()
    walkway.close()
    walkway.gate.close()
    assert walkway.gate.waiting() == 0


def test_the_board_remembers_the_newest_only() -> None:
    board = Board()
    for _ in range(100):
        board.end(board.begin("gate-a", Role.COMMUTER), None)
    assert [passing.number for passing in board.passings()] == list(range(77, 101))
    assert board.counts() == {"unread": 100}


# --- what is held up, as it comes from the page


def rows(side: int = 33, dark: str = "10") -> list[str]:
    return ["".join(itertools.islice(itertools.cycle(dark), side))] * side


def test_modules_are_read_with_one_for_dark() -> None:
    modules = code_modules(BOUND, Carrier.PHONE)
    held = ["".join("1" if module == 0 else "0" for module in row) for row in modules]
    assert np.array_equal(read_modules({"rows": held}), modules)


@pytest.mark.parametrize(
    ("name", "document", "message"),
    [
        ("no object", rows(), "expected {'rows'"),
        ("another member", {"rows": rows(), "text": "x"}, "expected {'rows'"),
        ("no rows", {}, "expected {'rows'"),
        ("rows that are no texts", {"rows": [[1] * 33] * 33}, "expected {'rows'"),
        ("nothing", {"rows": []}, "as many rows as columns"),
        ("too small", {"rows": rows(25)}, "as many rows as columns"),
        ("between two sizes", {"rows": rows(34)}, "as many rows as columns"),
        ("too large", {"rows": rows(189)}, "as many rows as columns"),
        ("a row that is short", {"rows": [*rows()[1:], "1"]}, "as many rows as columns"),
        ("another letter", {"rows": rows(33, "1x")}, "of 0 and 1"),
        ("another digit", {"rows": rows(33, "1１")}, "of 0 and 1"),
    ],
)
def test_what_is_no_code_is_refused(name: str, document: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_modules(document)


@pytest.mark.parametrize("side", [SIDES[0], SIDES[-1]])
def test_the_smallest_and_the_largest_code_are_read(side: int) -> None:
    assert read_modules({"rows": rows(side)}).shape == (side, side)


# --- the calls


class FewStaff:
    """The desk of a small server."""

    def __init__(self, address: str) -> None:
        self._address = address

    def staff(self, name: str) -> Api:
        return Api(self._address, token=f"token of {name}")


DESK: Mapping[str, Door] = {
    "POST /api/v1/people": lambda _: Answer.of({}),
    "POST /api/v1/evidence": lambda _: Answer.of({}),
    "POST /api/v1/desk-codes": lambda _: Answer.of({"code": "K7QM-4TZP"}),
}


@pytest.fixture
def make_client(make_walkway: MakeWalkway) -> Iterator[Callable[..., httpx.Client]]:
    """A browser before a stage with one gate, whose reader says what is given, and with a desk at an address."""
    key = ec.derive_private_key(5, ec.SECP256R1())
    authority = HealthAuthority.make(key=key, random=lambda count: b"\1" * count, now=NOW)
    opened: list[Any] = []

    def make(says: object = SUPERSEDED, *, desk: str = "http://127.0.0.1:9", playing: bool = True) -> httpx.Client:
        walkway = make_walkway(says)
        play = Play(
            walkways={"gate-a": walkway},
            board=walkway.board,
            visitors=Visitors(office=FewStaff(desk), authority=authority),
            links=[Link(words="pavel", href="/ops/sign-in#token=<T>")],
            station_key="the station's key",
            basis="Basis & more",
            notice=5,
        )
        serving = Serving(FrontDoor(Stage(lambda: play if playing else None), Proxy([])), listen(free_port()))
        opened.append(serving)
        with_client = httpx.Client(base_url=serving.__enter__().address, timeout=SECONDS, trust_env=False)
        opened.append(with_client)
        return with_client

    yield make
    for each in reversed(opened):
        each.close()


def hold(client: httpx.Client, **more: Any) -> httpx.Response:
    modules = code_modules(BOUND, Carrier.PHONE)
    held = ["".join("1" if module == 0 else "0" for module in row) for row in modules]
    return client.post("/stage/gates/gate-a/hold", **{"json": {"rows": held}, **more})


def test_what_the_gate_answers_is_said_in_words(make_client: Callable[..., httpx.Client]) -> None:
    client = make_client()
    said = hold(client).json()
    assert said == {
        "shown": "yellow",
        "outcome": "Please wait for staff",
        "reason": "Withdrawn: superseded by a newer pass",
        "said": "Your phone: Please wait for staff. Withdrawn: superseded by a newer pass.",
    }
    now = client.get("/stage/now?lang=zh").json()
    assert [(row["who"], row["where"], row["shown"]) for row in now["news"]] == [("您和您的手机", "A 号闸机", "yellow")]
    assert now["counts"] == "放行 0 次，等候 1 次，未放行 0 次"
    (gate,) = now["gates"]
    picture = client.get(f"/stage/gates/gate-a/frame.jpg?n={gate['shot']}")
    assert (picture.headers["content-type"], picture.headers["cache-control"]) == ("image/jpeg", "no-store")
    assert picture.content[:2] == b"\xff\xd8"


def test_a_code_that_is_not_read_is_said_to_be_not_read(make_client: Callable[..., httpx.Client]) -> None:
    assert hold(make_client(None)).json()["said"] == "Not read; try again"


@pytest.mark.parametrize(
    ("name", "more", "status", "detail"),
    [
        ("another origin", {"headers": {"Origin": "http://evil.example"}}, 403, "this origin's own page"),
        ("nobody's origin", {"headers": {"Origin": "null"}}, 403, "this origin's own page"),
        ("a form", {"json": None, "data": {"rows": "1"}}, 415, "expected application/json"),
        ("a plain text", {"json": None, "content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "json"),
        ("no JSON", {"json": None, "content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "JSON"),
        ("too much", {"json": {"rows": ["0" * 66_000]}}, 422, "expected at most 65536 bytes"),
        ("no code", {"json": {"rows": []}}, 422, "as many rows as columns"),
    ],
)
def test_who_may_not_hold_up_a_phone(
    make_client: Callable[..., httpx.Client], name: str, more: dict[str, Any], status: int, detail: str
) -> None:
    client = make_client()
    answer = hold(client, **more)
    assert (answer.status_code, detail in answer.json()["detail"]) == (status, True), answer.text
    assert client.get("/stage/now").json()["news"] == []


def test_this_origins_own_page_may(make_client: Callable[..., httpx.Client]) -> None:
    client = make_client()
    assert hold(client, headers={"Origin": str(client.base_url).rstrip("/")}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/stage/gates/gate-z/hold", 404),
        ("GET", "/stage/gates/gate-z/frame.jpg", 404),
        ("GET", "/stage/gates/gate-a/hold", 404),
        ("GET", "/stage/desk-code", 404),
        ("GET", "/stage/stage.py", 404),
        ("GET", "/stage/..%2Fstage.py", 404),
        ("POST", "/", 404),
    ],
)
def test_addresses_that_are_not_there(
    make_client: Callable[..., httpx.Client], method: str, path: str, status: int
) -> None:
    answer = make_client().request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_desk_code_is_made_with_the_desks_own_token(make_client: Callable[..., httpx.Client]) -> None:
    asked: list[Asked] = []

    def noted(door: Door) -> Door:
        def answer(one: Asked) -> Answer:
            asked.append(one)
            return door(one)

        return answer

    with serving({path: noted(door) for path, door in DESK.items()}) as address:
        client = make_client(desk=address)
        first, second = (client.post("/stage/desk-code", json={}).json() for _ in range(2))
    assert first["code"] == "K7QM-4TZP"
    assert first["person"] != second["person"]
    assert {one.token for one in asked} == {"Bearer token of dora"}
    assert [one.body.get("reference", one.body.get("person")) for one in asked[:3]] == [first["person"]] * 3


def test_a_desk_without_a_server_says_so(make_client: Callable[..., httpx.Client]) -> None:
    answer = make_client(desk=f"http://127.0.0.1:{free_port()}").post("/stage/desk-code", json={})
    assert (answer.status_code, answer.json()["detail"]) == (503, "the desk got no answer from the server")


def test_the_page_escapes_what_it_is_given_and_allows_nothing_inline(make_client: Callable[..., httpx.Client]) -> None:
    answer = make_client().get("/?lang=en")
    assert "Basis &amp; more" in answer.text
    assert 'href="/ops/sign-in#token=&lt;T&gt;"' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("asked", "accepts", "language"),
    [("", "zh-CN,zh;q=0.9", "zh"), ("", "de", "en"), ("zh", "en", "zh"), ("en", "zh", "en"), ("fr", "zh", "zh")],
)
def test_the_stage_speaks_as_it_is_asked_to(
    make_client: Callable[..., httpx.Client], asked: str, accepts: str, language: str
) -> None:
    answer = make_client().get("/", params={"lang": asked}, headers={"Accept-Language": accepts})
    assert f'<html lang="{language}">' in answer.text


def test_until_everything_runs_there_is_a_page_that_comes_back(make_client: Callable[..., httpx.Client]) -> None:
    client = make_client(playing=False)
    page = client.get("/")
    assert (page.status_code, page.headers["refresh"], "being set up" in page.text) == (200, "1", True)
    for path in ("/stage/now", "/stage/gates/gate-a/frame.jpg"):
        assert client.get(path).status_code in (404, 503)
    assert client.post("/stage/desk-code", json={}).status_code == 503


def test_there_are_words_for_everything_in_both_languages() -> None:
    assert set(ROLES) == set(Role)
    assert set(REASONS) == set(Reason)
    assert set(OUTCOMES) >= {outcome.value for outcome in Outcome}
    for words in (*ROLES.values(), *REASONS.values(), *OUTCOMES.values(), *PAGE.values()):
        assert all(words.spoken(language).strip() for language in Language)
        assert words.en != words.zh


# --- what keeps programs running


def ended() -> Program:
    program = Program([sys.executable, "-c", "import sys; sys.exit(3)"])
    program.wait(timeout=SECONDS)
    return program


def test_a_program_that_ended_is_started_again_after_a_wait_that_doubles() -> None:
    programs, said = [ended()], list[str]()
    keeper = Keeper(
        name="The server", program=lambda: programs[-1], start=lambda: programs.append(ended()), note=said.append
    )
    now, waits = 1000.0, []
    for count in range(1, 9):
        keeper.look(now)
        assert len(programs) == count
        waits.append(keeper.wait)
        keeper.look(now + keeper.wait - 0.1)
        assert len(programs) == count
        keeper.look(now := now + keeper.wait)
        assert len(programs) == count + 1
    assert waits[:4] == [FIRST_SECONDS * 2**number for number in range(4)]
    assert waits[-1] == LONGEST_SECONDS
    assert said[0] == f"The server ended with 3; it is started again in {FIRST_SECONDS} s."


def test_a_program_that_was_helped_is_helped_quickly_the_next_time() -> None:
    with Program(["sleep", "60"]) as alive:
        current: list[Program | None] = [ended()]
        keeper = Keeper(
            name="x", program=lambda: current[0], start=lambda: current.insert(0, alive), note=lambda _: None
        )
        keeper.look(0.0)
        keeper.look(FIRST_SECONDS)
        assert current[0] is alive
        keeper.look(FIRST_SECONDS + LIVED_SECONDS - 1)
        assert keeper.wait == 2 * FIRST_SECONDS
        keeper.look(FIRST_SECONDS + LIVED_SECONDS + 1)
        assert keeper.wait == FIRST_SECONDS


def test_a_program_that_was_taken_away_stays_away() -> None:
    said: list[str] = []

    def start() -> None:
        raise AssertionError("expected nothing to be started")

    keeper = Keeper(name="x", program=lambda: None, start=start, note=said.append)
    for now in (0.0, 100.0):
        keeper.look(now)
    assert said == []


def test_a_start_that_fails_is_said_and_tried_again() -> None:
    said: list[str] = []

    def start() -> None:
        raise ProgramError("expected a listener")

    program = ended()
    keeper = Keeper(name="The broker", program=lambda: program, start=start, note=said.append)
    keeper.look(0.0)
    keeper.look(FIRST_SECONDS)
    keeper.look(FIRST_SECONDS)
    assert said[1:] == [
        "The broker: expected a listener",
        f"The broker ended with 3; it is started again in {2 * FIRST_SECONDS} s.",
    ]


def test_of_a_talkative_program_the_newest_lines_are_kept_and_all_are_counted() -> None:
    with Program([sys.executable, "-c", "for n in range(1000): print(n)"], keep=10) as program:
        program.wait(timeout=SECONDS)
        assert program.lines(Stream.STDOUT) == [str(number) for number in range(990, 1000)]
        assert program.written(Stream.STDOUT) == 1000
        assert program.wait_for_line("99.", timeout=0, stream=Stream.STDOUT, start=995)[0] == "995"
        with pytest.raises(ProgramError, match="expected a line matching '5'"):
            program.wait_for_line("5", timeout=0, stream=Stream.STDOUT, start=996)
