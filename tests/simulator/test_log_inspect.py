"""`waypass inspect` on the public log: checkpoints and proof files, offline, with the log's key or without."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.protocol.test_checkpoint import KEY, SIGNED
from tests.protocol.test_logproofs import consistency, inclusion
from tests.support.issuing import NOW

from waypass_protocol.logproofs import write_proof_file
from waypass_simulator.inspection import Context, inspect
from waypass_simulator.steps import Step

WITH_KEY = Context(trust=None, now=NOW, log_keys=(KEY,))
WITHOUT_KEY = Context(trust=None, now=NOW)
INCLUSION, CONSISTENCY = write_proof_file(inclusion()).encode(), write_proof_file(consistency()).encode()


def by_name(steps: list[Step]) -> dict[str, Step]:
    return {step.name: step for step in steps}


def test_a_checkpoint_is_shown() -> None:
    steps = by_name(inspect(SIGNED.encode(), WITH_KEY))
    assert steps["checkpoint"].fields["size"] == 20_852_163
    assert steps["log's signature"].says.startswith(f"verifies with key {KEY.key_hash.hex()} of waypass/1/metro/log")


def test_a_persons_file_shows_each_record() -> None:
    steps = by_name(inspect(INCLUSION, WITH_KEY))
    assert all(step.ok for step in steps.values())
    assert steps["inclusion"].says == "each leaf leads to the root of 10 leaves"
    assert steps["leaf 0"].says == "entry.proposed"
    assert steps["leaf 0"].fields["actor"] == "staff 4"
    assert steps["leaf 0"].fields["details"] == {"state": "proposed", "scopes": [1, 2], "health": 1, "share": "0.5"}


def test_growth_is_shown() -> None:
    steps = by_name(inspect(CONSISTENCY, WITH_KEY))
    assert all(step.ok for step in steps.values())
    assert "begins with the 3 leaves of the old one, unchanged" in steps["consistency"].says


@pytest.mark.parametrize(
    ("name", "data"), [("checkpoint", SIGNED.encode()), ("inclusion", INCLUSION), ("consistency", CONSISTENCY)]
)
def test_without_a_key_nothing_is_proved(name: str, data: bytes) -> None:
    steps = by_name(inspect(data, WITHOUT_KEY))
    assert steps["log's signature"].ok is None
    assert "no key of the log was given" in steps["log's signature"].says
    assert name not in steps or steps[name].ok is None or name == "checkpoint"


@pytest.mark.parametrize(
    ("name", "data", "step", "says"),
    [
        ("another root", SIGNED.encode().replace(b"20852163", b"20852164"), "signature", "does not verify"),
        ("another salt", INCLUSION.replace(b"c2l4dGVlb", b"c2l5dGVlb"), "proof", "does not lead to the root"),
        ("a hash less", json.dumps(consistency().to_json() | {"proof": []}).encode(), "form", "expected hashes from 3"),
        ("no note", INCLUSION.replace("—".encode(), b"-"), "form", "expected a signature as"),
    ],
)
def test_what_does_not_verify(name: str, data: bytes, step: str, says: str) -> None:
    assert data not in (SIGNED.encode(), INCLUSION), name
    last = inspect(data, WITH_KEY)[-1]
    assert (last.name, last.ok) == (step, False)
    assert says in last.says


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", "from waypass_simulator.cli import main; main()", "inspect", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command(tmp_path: Path) -> None:
    file, keys = tmp_path / "mine.json", tmp_path / "log.keys"
    file.write_bytes(INCLUSION)
    keys.write_text(f"{KEY.to_text()}\n", encoding="utf-8")
    answer = run(str(file), "--log-key", str(keys), "--json")
    assert answer.returncode == 0, answer.stderr
    assert [json.loads(line)["name"] for line in answer.stdout.splitlines()] == [
        *("proof", "checkpoint", "log's signature", "inclusion", "leaf 0")
    ]
    answer = run(str(file), "--log-key", "metro+00000000+AA==")
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--log-key metro+00000000+AA==: note key: expected an Ed25519 key (type 1), got type 0" in answer.stderr
