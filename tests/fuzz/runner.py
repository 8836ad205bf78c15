"""Runs a target over many mutations of its seeds, and counts."""

import time
from dataclasses import dataclass
from random import Random

from tests.fuzz.mutate import Mutator
from tests.fuzz.targets import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How many inputs a target took and refused, and in how many seconds."""

    name: str
    inputs: int
    accepted: int
    seconds: float

    @property
    def refused(self) -> int:
        """Inputs that the decoder refused with its own error."""
        return self.inputs - self.accepted


def run(target: Target, *, inputs: int, seed: int) -> Result:
    """Give `inputs` mutations to a target. Whatever it raises comes out with the input, in hex, as a note."""
    mutator = Mutator(target.seeds, Random(f"{target.name} {seed}"))
    accepted = 0
    start = time.perf_counter()
    for _ in range(inputs):
        data = mutator.next()
        try:
            accepted += target.run(data)
        except BaseException as error:
            error.add_note(f"fuzz target {target.name}, seed {seed}, input (hex): {data.hex()}")
            raise
    return Result(name=target.name, inputs=inputs, accepted=accepted, seconds=time.perf_counter() - start)
