"""8,000 mutated inputs for each decoder: only its own errors come out. `make fuzz` runs a million."""

from random import Random

import pytest
from tests.fuzz.mutate import Mutator
from tests.fuzz.runner import run
from tests.fuzz.targets import TARGETS, Target

INPUTS = 8_000
# No decoders themselves, and slow: each input goes through several.
FEWER = {"assembly": 3_000, "decide": 4_000}
# The server's own target does not say what it accepts.
SILENT = {"evidence"}


@pytest.mark.parametrize("name", TARGETS)
def test_only_its_own_errors_come_out(name: str) -> None:
    inputs = FEWER.get(name, INPUTS)
    result = run(TARGETS[name], inputs=inputs, seed=1)
    if name not in SILENT:
        assert 0 < result.accepted < inputs


@pytest.mark.parametrize("name", [name for name in TARGETS if name not in SILENT])
def test_every_seed_is_accepted(name: str) -> None:
    """Otherwise the mutations would start from rubbish and stop at the first check."""
    assert all(TARGETS[name].run(seed.layer + seed.body) for seed in TARGETS[name].seeds)


def test_a_seed_gives_the_same_inputs_again() -> None:
    one, two, other = (Mutator(TARGETS["pass"].seeds, Random(seed)) for seed in (1, 1, 2))
    first = [one.next() for _ in range(200)]
    assert first == [two.next() for _ in range(200)]
    assert first != [other.next() for _ in range(200)]


def test_a_foreign_exception_comes_out_with_its_input() -> None:
    def run_broken(data: bytes) -> bool:
        return bool(data[10_000])

    target = Target(name="broken", seeds=TARGETS["cbor"].seeds, run=run_broken)
    with pytest.raises(IndexError) as caught:
        run(target, inputs=5, seed=1)
    assert caught.value.__notes__[0].startswith("fuzz target broken, seed 1, input (hex): ")
