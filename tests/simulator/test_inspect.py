"""`waypass inspect`: what an object holds, and where it fails."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support import issuing
from tests.support.issuing import HOUR, NOW, make_issuer

from waypass_protocol.bits import INVALID, LIST_INDEXES
from waypass_protocol.passes import Aspect
from waypass_simulator.inspection import Context, count_statuses, inspect
from waypass_simulator.steps import Step

ISSUER = make_issuer()
WITH_KEYS = Context(trust=ISSUER.trust, now=NOW)
WITHOUT_KEYS = Context(trust=None, now=NOW)


def by_name(steps: list[Step]) -> dict[str, Step]:
    return {step.name: step for step in steps}


def test_a_paper_pass_is_shown_step_by_step() -> None:
    steps = by_name(inspect(ISSUER.paper(idx=77, hint="Li Wei").encode(), WITH_KEYS))
    assert all(step.ok for step in steps.values())
    assert steps["claims"].fields["index"] == 77
    assert steps["claims"].fields["hint"] == "Li Wei"
    assert steps["claims"].fields["aspects"] == {"1": "green"}
    assert steps["issuer's signature"].says.startswith("verifies with key")


def test_a_presentation_shows_both_signatures() -> None:
    steps = by_name(inspect(ISSUER.presentation(t=NOW - 3).encode(), WITH_KEYS))
    assert steps["holder's signature"].ok
    assert "3 s before" in steps["binding"].says


@pytest.mark.parametrize(
    ("name", "text", "context", "step", "says"),
    [
        ("no keys", ISSUER.paper(), WITHOUT_KEYS, "issuer's signature", "not checked: no keys were given"),
        ("other key", make_issuer(number=9).paper(), WITH_KEYS, "issuer's key", "is not in the trust set of metro"),
        ("not Base45", "WP1:lower", WITH_KEYS, "form", "not Base45"),
        ("cut in half", ISSUER.paper()[:82], WITH_KEYS, "form", "CBOR"),
        ("too long", "WP1:" + "0" * 1100, WITH_KEYS, "form", "expected at most 1024 characters, got 1104"),
        ("expired", ISSUER.paper(iat=NOW - 48 * HOUR), WITH_KEYS, "times", "expired at"),
        ("not yet", ISSUER.paper(iat=NOW + HOUR), WITH_KEYS, "times", "not yet valid"),
        ("just not yet", ISSUER.paper(iat=NOW + 61), WITH_KEYS, "times", "not yet valid"),
    ],
)
def test_the_first_step_that_fails_is_the_last(name: str, text: str, context: Context, step: str, says: str) -> None:
    found = by_name(inspect(text.encode(), context))[step]
    assert says in found.says, name
    assert found.ok is (None if name == "no keys" else False)


def test_the_issuer_s_clock_may_be_a_minute_ahead() -> None:
    step = by_name(inspect(ISSUER.paper(iat=NOW + 60).encode(), WITH_KEYS))["times"]
    assert (step.ok, step.says.startswith("current at")) == (True, True)


def test_a_bare_bound_pass_counts_for_nothing() -> None:
    from waypass_protocol.passes import pass_text

    steps = inspect(pass_text(ISSUER.bound()).encode(), WITH_KEYS)
    assert steps[-1] == Step(name="binding", ok=False, says="a bound pass counts only inside a presentation")


def test_status_messages_are_shown_with_what_they_hold() -> None:
    status_list = ISSUER.status_list()
    delta = status_list.change(3, 9, 11)
    snapshot, head = status_list.snapshot(), ISSUER.head(status_list)
    shown = by_name(inspect(snapshot, WITH_KEYS))["payload"].fields
    assert shown["statuses"] == {"valid": LIST_INDEXES - 3, "invalid": 3, "suspended": 0, "reserved": 0}
    assert by_name(inspect(delta, WITH_KEYS))["payload"].fields["changes"] == {"invalid": 3}
    rows = by_name(inspect(head, WITH_KEYS))["payload"].fields["rows"]
    assert rows == [{"list": "wp:17", "version": 2, "sha256": shown["sha256"]}]


def test_a_tampered_message_does_not_verify() -> None:
    data = bytearray(ISSUER.head(ISSUER.status_list()))
    data[-1] ^= 1
    assert inspect(bytes(data), WITH_KEYS)[-1].name == "signature"


def test_an_expired_snapshot_and_a_foreign_head_say_so() -> None:
    snapshot = ISSUER.status_list().snapshot(iat=NOW - 48 * HOUR)
    assert "expired at" in inspect(snapshot, WITH_KEYS)[-1].says
    head = replace(ISSUER, network="tram").head(ISSUER.status_list())
    assert "expected metro, got 'tram'" in inspect(head, WITH_KEYS)[-1].says


def test_something_else_is_named_as_such() -> None:
    (step,) = inspect(b"\x00nothing", WITH_KEYS)
    assert (step.name, step.ok) == ("form", False)


def test_statuses_are_counted_over_all_four_places_of_a_byte() -> None:
    assert INVALID == 1
    assert count_statuses(bytes([0b11_10_01_00])) == {"valid": 1, "invalid": 1, "suspended": 1, "reserved": 1}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from waypass_simulator.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, "inspect", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_command_answers_by_exit_code(tmp_path: Path) -> None:
    keys = issuing.write_trust(ISSUER, tmp_path)
    good = run(ISSUER.paper(aspects={1: Aspect.YELLOW}), "--keys", str(keys), "--at", str(NOW), "--json")
    assert good.returncode == 0, good.stderr
    steps = [json.loads(line) for line in good.stdout.splitlines()]
    assert {"1": "yellow"} in [step["fields"].get("aspects") for step in steps]
    message = tmp_path / "17.head"
    message.write_bytes(ISSUER.head(ISSUER.status_list()))
    assert "sequence: 1" in run(str(message), "--keys", str(keys), "--at", str(NOW)).stdout
    assert run("WP1:NOTHING").returncode == 1
    missing = run(str(tmp_path / "absent"))
    assert missing.returncode == 2
    assert "expected a text that begins with WP1: or WP2:, or a readable file" in missing.stderr
    wrong = run(ISSUER.paper(), "--keys", str(message))
    assert wrong.returncode == 2
    assert "trust set: expected a JSON object" in wrong.stderr


def test_a_compact_snapshot_is_shown_as_the_list_that_it_is() -> None:
    held = ISSUER.status_list()
    held.change(3, 70)
    steps = by_name(inspect(held.compact(), WITH_KEYS))
    assert all(step.ok for step in steps.values())
    assert "application/waypass-compact+cbor" in steps["message"].says
    standard = by_name(inspect(held.snapshot(), WITH_KEYS))
    assert steps["payload"].fields == standard["payload"].fields
    assert steps["payload"].fields["statuses"] == {
        "valid": LIST_INDEXES - 2,
        "invalid": 2,
        "suspended": 0,
        "reserved": 0,
    }
