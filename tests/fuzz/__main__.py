"""`python -m tests.fuzz --inputs N --seed S [--target NAME]`: a table of what each decoder took and refused.

A decoder that raises anything but its own errors ends the run with exit code 1 and the input in hex.
"""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from tests.fuzz.runner import Result, run
from tests.fuzz.targets import TARGETS


def main(
    inputs: Annotated[int, typer.Option(min=1, help="Inputs for each target.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Another seed, other inputs.")] = 1,
    target: Annotated[str | None, typer.Option(help="One target only.")] = None,
) -> None:
    """Fuzz the decoders."""
    if target is not None and target not in TARGETS:
        raise typer.BadParameter(f"expected a target among {', '.join(TARGETS)}, got {target}")
    results: list[Result] = []
    console = Console()
    try:
        for each in [TARGETS[target]] if target else TARGETS.values():
            with console.status(f"{each.name}: {inputs} inputs"):
                results.append(run(each, inputs=inputs, seed=seed))
    finally:
        console.print(_table(results))


def _table(results: list[Result]) -> Table:
    table = Table("target")
    for name in ("inputs", "accepted", "refused", "seconds"):
        table.add_column(name, justify="right")
    for result in results:
        numbers = (f"{result.inputs:,}", f"{result.accepted:,}", f"{result.refused:,}", f"{result.seconds:.1f}")
        table.add_row(result.name, *numbers)
    return table


if __name__ == "__main__":
    typer.run(main)
