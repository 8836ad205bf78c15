"""`waypass-reader check` from the outside: answers, exit codes, messages."""

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.issuing import (
    HOUR,
    NOW,
    SCOPE,
    Issuer,
    make_issuer,
    write_status,
    write_trust,
)

from waypass_protocol.passes import Aspect
from waypass_reader.cli import main
from waypass_simulator.processes import Program, Stream


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one run of the command printed."""

    code: int
    lines: list[dict[str, Any]]
    messages: str

    @property
    def reasons(self) -> list[str]:
        return [line["reason"] for line in self.lines]


Check = Callable[..., Answer]


@pytest.fixture
def issuer() -> Issuer:
    return make_issuer()


@pytest.fixture
def keys(issuer: Issuer, tmp_path: Path) -> Path:
    return write_trust(issuer, tmp_path)


@pytest.fixture
def lenient(tmp_path: Path) -> Path:
    path = tmp_path / "policy.json"
    path.write_text('{"identity_check_paper": false}', encoding="utf-8")
    return path


@pytest.fixture
def status(issuer: Issuer, tmp_path: Path) -> Path:
    """Version 2 of one list, in which index 7 is withdrawn, with its head."""
    issued = issuer.status_list()
    snapshot, delta = issued.snapshot(), issued.change(7)
    return write_status(tmp_path / "status", snapshot=snapshot, delta_2=delta, head=issuer.head(issued))


@pytest.fixture
def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: Path, status: Path, lenient: Path
) -> Check:
    """Run the command in this process; settings that a test does not name are those of the fixtures."""

    def run(*texts: str, stdin: bytes = b"", flags: tuple[str, ...] = (), **settings: object) -> Answer:
        named = {"keys": keys, "status": status, "scope": SCOPE, "at": NOW, "policy": lenient} | settings
        options = [word for name, value in named.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr(sys, "argv", ["waypass-reader", "check", *options, "--json", *flags, *texts])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        lines = [json.loads(line) for line in printed.out.splitlines()]
        return Answer(code=int(str(ended.value.code)), lines=lines, messages=printed.err)

    return run


def test_a_line_has_the_fields_that_others_script(check: Check, issuer: Issuer) -> None:
    answer = check(issuer.presentation())
    (line,) = answer.lines
    assert list(line) == ["outcome", "reason", "aspect", "microseconds"]
    assert (line["outcome"], line["reason"], line["aspect"]) == ("open", "green", "green")
    assert line["microseconds"] > 0
    assert (answer.code, answer.messages) == (0, "")


def test_texts_are_judged_in_their_order_and_the_exit_code_says_whether_all_opened(
    check: Check, issuer: Issuer
) -> None:
    red = issuer.paper(aspects={SCOPE: Aspect.RED})
    answer = check(issuer.paper(), issuer.paper(idx=7), red, "https://example.org")
    assert answer.reasons == ["green", "superseded", "red", "not-waypass"]
    assert [line["aspect"] for line in answer.lines] == ["green", "yellow", "red", "grey"]
    assert answer.code == 1


def test_the_same_text_opens_twice_since_each_line_is_judged_by_itself(check: Check, issuer: Issuer) -> None:
    assert check(issuer.paper(), issuer.paper()).reasons == ["green", "green"]


def test_lines_lose_their_end_and_nothing_else(check: Check, issuer: Issuer) -> None:
    good = issuer.paper().encode()
    stdin = b"\n".join([good, good + b"\r", good + b" ", good + b"\r\r", b" " + good, b"", b"\xff\xfe", good])
    answer = check(stdin=stdin)
    assert answer.reasons == [
        "green",
        "green",
        "malformed",
        "malformed",
        "not-waypass",
        "not-waypass",
        "not-waypass",
        "green",
    ]


def test_a_line_is_split_at_line_feeds_only(check: Check) -> None:
    assert check(stdin="WP1:\x0b\x0c\x85\u2028 \x1c\n".encode()).reasons == ["malformed"]


def test_undecodable_bytes_after_a_prefix_are_one_malformed_line(check: Check) -> None:
    assert check(stdin=b"WP1:\xff\nWP2:\xc3\n").reasons == ["malformed", "malformed"]


@pytest.mark.parametrize("length", [4096, 4100, 4101, 100_000])
def test_an_endless_line_is_one_answer(check: Check, issuer: Issuer, length: int) -> None:
    stdin = b"WP1:" + b"A" * (length - 4) + b"\r\n" + issuer.paper().encode() + b"\n"
    assert check(stdin=stdin).reasons == ["malformed", "green"]


def test_no_line_no_answer(check: Check) -> None:
    answer = check(stdin=b"")
    assert (answer.code, answer.lines) == (0, [])


def test_an_untrusted_clock_is_untrusted_whatever_the_folder_says(check: Check, issuer: Issuer) -> None:
    assert check(issuer.presentation(), flags=("--clock-untrusted",)).reasons == ["clock-untrusted"]


def test_a_clock_behind_the_newest_head_is_untrusted(check: Check, issuer: Issuer) -> None:
    assert check(issuer.paper(), at=NOW - 61).reasons == ["clock-untrusted"]
    assert check(issuer.paper(), at=NOW - 60).reasons == ["green"]


def test_the_policy_file_counts(check: Check, issuer: Issuer, tmp_path: Path) -> None:
    policy = tmp_path / "own.json"
    policy.write_text('{"fresh": 10, "stale": 3600, "when_stale": "assist"}', encoding="utf-8")
    assert check(issuer.presentation(t=NOW + 11), at=NOW + 11, policy=policy).reasons == ["lists-too-old"]
    assert check(issuer.paper(), policy=policy).reasons == ["identity-check"]


def test_without_a_head_the_age_is_unknown(check: Check, issuer: Issuer, status: Path) -> None:
    (status / "1.head").unlink()
    assert check(issuer.paper()).reasons == ["lists-too-old"]


def test_a_compact_list_is_as_good(check: Check, issuer: Issuer, status: Path) -> None:
    """Its withdrawals count, and the delta that leads on from it too."""
    for path in status.iterdir():
        path.unlink()
    held = issuer.status_list()
    held.change(7)
    (status / "1.compact").write_bytes(held.compact())
    (status / "1.delta").write_bytes(held.change(8))
    (status / "1.head").write_bytes(issuer.head(held))
    answers = check(*(issuer.paper(idx=idx) for idx in (6, 7, 8)))
    assert answers.reasons == ["green", "superseded", "superseded"]
    assert answers.messages == ""


@pytest.mark.parametrize("kind", ["missing", "empty", "a file"])
def test_a_folder_of_no_use_leaves_the_status_unknown(check: Check, issuer: Issuer, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "elsewhere"
    if kind == "empty":
        folder.mkdir()
    elif kind == "a file":
        folder.write_text("x", encoding="utf-8")
    answer = check(issuer.paper(), status=folder)
    assert answer.reasons == ["status-unknown"]
    assert f"check: status folder {folder}: " in answer.messages
    assert "the status of every pass is unknown" in answer.messages
    assert answer.code == 1


def test_forged_messages_are_named_and_change_nothing(check: Check, issuer: Issuer, status: Path) -> None:
    impostor = make_issuer(number=9)
    forged = impostor.status_list()
    forged.change(5)
    (status / "2.snapshot").write_bytes(forged.snapshot())
    (status / "9.head").write_bytes(impostor.head(forged, sequence=99))
    (status / "broken.delta").write_bytes(b"\x00")
    (status / "empty.delta").write_bytes(b"")
    (status / "folder.delta").mkdir()
    answer = check(issuer.paper(), issuer.paper(idx=7))
    assert answer.reasons == ["green", "superseded"]
    for message in (
        "2.snapshot: refused: unknown-key (",
        "9.head: refused: unknown-key (",
        "broken.delta: refused: malformed (delta: ",
        "empty.delta: ignored: empty",
        "folder.delta: can't be read (Is a directory)",
    ):
        assert f"check: {message}" in answer.messages


@pytest.mark.parametrize("kind", ["snapshot", "delta", "head"])
def test_what_is_no_file_is_named_and_not_waited_for(check: Check, issuer: Issuer, status: Path, kind: str) -> None:
    """A pipe that nobody writes into would hold the gate's check up for ever."""
    os.mkfifo(status / f"pipe.{kind}")
    (status / f"zeros.{kind}").symlink_to("/dev/zero")
    (status / f"nowhere.{kind}").symlink_to("nothing")
    answer = check(issuer.paper(), issuer.paper(idx=7))
    assert answer.reasons == ["green", "superseded"]
    assert f"check: pipe.{kind}: can't be read (not a file)" in answer.messages
    assert f"check: zeros.{kind}: can't be read (not a file)" in answer.messages
    assert f"check: nowhere.{kind}: can't be read (No such file or directory)" in answer.messages


def test_a_message_whose_signature_fails_is_named(check: Check, issuer: Issuer, status: Path) -> None:
    data = bytearray((status / "1.snapshot").read_bytes())
    data[-1] ^= 1
    (status / "1.snapshot").write_bytes(bytes(data))
    answer = check(issuer.paper())
    assert answer.reasons == ["status-unknown"]
    assert "1.snapshot: refused: bad-signature (" in answer.messages


def test_older_messages_do_not_bring_back_what_was_withdrawn(check: Check, issuer: Issuer, status: Path) -> None:
    older = issuer.status_list()
    (status / "z-older.snapshot").write_bytes(older.snapshot(iat=NOW - 30))
    (status / "z-older.head").write_bytes(issuer.head(older, sequence=0, iat=NOW - 30))
    answer = check(issuer.paper(idx=7))
    assert answer.reasons == ["superseded"]
    assert "z-older.snapshot: ignored: snapshot of list wp:17, version 1: already known" in answer.messages
    assert "z-older.head: ignored: head: sequence 0 is below the highest accepted, 1" in answer.messages


def test_only_the_head_with_the_highest_sequence_renews(check: Check, issuer: Issuer, tmp_path: Path) -> None:
    issued = issuer.status_list()
    snapshot, earlier = issued.snapshot(), issuer.head(issued, sequence=1)
    issued.change(7)  # its delta never arrives
    later = issuer.head(issued, sequence=2)
    folder = write_status(tmp_path / "gap", snapshot=snapshot, head_1=earlier, head_2=later)
    assert check(issuer.paper(), status=folder).reasons == ["lists-too-old"]


def test_of_heads_with_one_sequence_the_newest_counts(check: Check, issuer: Issuer, tmp_path: Path) -> None:
    issued = issuer.status_list()
    heads = {"head_1": issuer.head(issued), "head_2": issuer.head(issued, iat=NOW - 2 * HOUR)}
    folder = write_status(tmp_path / "twice", snapshot=issued.snapshot(), **heads)
    policy = tmp_path / "own.json"
    policy.write_text('{"stale": 60, "identity_check_paper": false}', encoding="utf-8")
    assert check(issuer.paper(), status=folder, policy=policy).reasons == ["green"]


def test_messages_from_the_future_and_expired_ones_are_refused(check: Check, issuer: Issuer, tmp_path: Path) -> None:
    issued = issuer.status_list()
    folder = write_status(tmp_path / "late", snapshot_1=issued.snapshot(iat=NOW - 2 * HOUR, life=HOUR))
    (folder / "2.snapshot").write_bytes(issued.snapshot(iat=NOW + 61))
    answer = check(issuer.paper(), status=folder)
    assert answer.reasons == ["status-unknown"]
    assert "1.snapshot: refused: expired (snapshot: the snapshot expired 3600 s before it arrived)" in answer.messages
    assert "2.snapshot: refused: from-the-future (" in answer.messages


@pytest.mark.parametrize(
    ("name", "setting", "content", "message"),
    [
        ("no key file", "keys", None, "can't be read (No such file or directory)"),
        ("a key file of no JSON", "keys", "metro", "expected a JSON object"),
        ("a key file without a network", "keys", '{"keys": []}', "trust set: waypass_network"),
        ("no policy file", "policy", None, "can't be read (No such file or directory)"),
        (
            "an unknown policy key",
            "policy",
            '{"frish": 1}',
            "policy: unknown key 'frish'; expected keys among clock_skew",
        ),
        ("a policy of another type", "policy", '{"fresh": "1"}', "expected fresh in whole seconds from 0 on, got '1'"),
        ("a negative scope", "scope", "-1", "--scope"),
        ("a scope in words", "scope", "metro", "--scope"),
        ("a negative time", "at", "-1", "--at"),
        ("a time in words", "at", "noon", "--at"),
    ],
)
def test_bad_settings_end_with_a_message_and_exit_code_2(
    check: Check, tmp_path: Path, name: str, setting: str, content: str | None, message: str
) -> None:
    value: object = content
    if setting in ("keys", "policy"):
        value = tmp_path / "given.json"
        if content is not None:
            value.write_text(content, encoding="utf-8")
    answer = check("x", **{setting: value})
    assert (answer.code, answer.lines) == (2, []), name
    assert message in answer.messages


def test_a_standard_input_that_is_closed_is_bad_use(keys: Path, status: Path) -> None:
    options = ["--keys", keys, "--status", status, "--scope", SCOPE, "--at", NOW, "--json"]
    command = [sys.executable, "-c", "from waypass_reader.cli import main; main()", "check", *map(str, options)]
    with Program(["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command]) as program:
        assert program.wait(timeout=60) == 2
        (message,) = program.lines(Stream.STDERR)
    assert message == ("waypass-reader: expected texts as arguments or on standard input, which is closed")


def test_each_line_is_answered_as_it_comes_and_no_camera_library_is_loaded(
    keys: Path, status: Path, issuer: Issuer
) -> None:
    """The command as a process: an answer is there while standard input is still open."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "for text in ('hello', 'WP1:'):\n"
        "    child.stdin.write(text.encode() + b'\\n'); child.stdin.flush()\n"
        "    print(child.stdout.readline().decode(), end='', flush=True)\n"
        "child.stdin.close()\n"
        "print(child.wait())\n"
    )
    inner = (
        "import sys; from waypass_reader.cli import app\n"
        "try:\n    app()\n"
        "finally:\n    print([m for m in ('cv2', 'numpy', 'zxingcpp', 'paho') if m in sys.modules], file=sys.stderr)"
    )
    options = ["check", "--keys", keys, "--status", status, "--scope", SCOPE, "--at", NOW, "--json"]
    arguments = [sys.executable, "-c", code, sys.executable, "-c", inner, *map(str, options)]
    with Program(arguments) as program:
        assert program.wait(timeout=60) == 0
        first, second, last = program.lines(Stream.STDOUT)
        assert (json.loads(first)["reason"], json.loads(second)["reason"], last) == ("not-waypass", "malformed", "1")
        assert program.lines(Stream.STDERR) == ["[]"]
