"""`waypass-reader doctor`: is everything there that a gate needs, and what is to be done where it is not.

It may be run beside the reader: it takes nothing from a folder or a pipe, changes no kept message, does not move a
barrier and does not use a login at the broker that the reader has. What the running reader holds (a camera, pins, a
port) is told as such. Exit code 0: all is well; 1: something needs mending; 2: bad use, or a configuration that cannot
be read.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from waypass_reader.libraries import missing_libraries


def doctor(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The reader's configuration (TOML).")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line for each thing.")] = False,
) -> None:
    """Look whether everything is there that a gate needs, and say what to do about what is not."""
    from waypass_reader.doctor.findings import Finding, library_findings

    missing = missing_libraries()
    findings: list[Finding] = library_findings(missing)
    if not any(one.library.needed for one in missing):
        # Only now: these load the libraries that were looked for.
        from waypass_reader.clock import SystemClock, kernel_synchronised
        from waypass_reader.config import load_config
        from waypass_reader.doctor.checks import examine

        table, trust = load_config(config)
        synchronised = (lambda: True) if table.clock == "assume-synchronised" else kernel_synchronised
        findings += examine(table, trust, clock=SystemClock(synchronised=synchronised))
    for finding in findings:
        print(json.dumps(finding.as_dict()) if as_json else finding.as_text())  # noqa: T201 - the command's answer
    sys.exit(0 if all(finding.well for finding in findings) else 1)
