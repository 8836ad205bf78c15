"""The chaos run, short: a few readers, a quarter of a minute of faults, and the same checks as the long one."""

import json
import sys
from pathlib import Path

import pytest
from tests.support.brokers import needs_mosquitto

from waypass_simulator.processes import Program, Stream

pytestmark = [*needs_mosquitto, pytest.mark.timeout(300)]

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "chaos.py"
SMALL = ("--readers", "14", "--light", "16", "--changes", "120", "--stale", "3")


def test_nothing_is_lost_doubled_forged_or_let_in() -> None:
    with Program([sys.executable, SCRIPT, "--minutes", "0.25", *SMALL, "--json"]) as program:
        code = program.wait(timeout=280.0)
        assert code in (0, 1), program.text(Stream.STDERR)
        assert program.lines(Stream.STDOUT), program.text(Stream.STDERR)
        said = program.lines(Stream.STDOUT)[-1]
    result = json.loads(said)
    assert result["examples"] == {}, said
    assert result["missing"] == [], said
    assert (code, result["ok"], result["changes"]) == (0, True, 120)
