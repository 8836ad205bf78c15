"""A gate whose reader is a small program that takes every frame and says the same to each."""

import json
import sys
from pathlib import Path

from waypass_simulator.demo.gate import Gate

READER = """\
#!{python}
import json, pathlib, sys, time, tomllib
says = json.loads({says!r})
configuration = tomllib.loads(pathlib.Path(sys.argv[3]).read_text())
frames = pathlib.Path(configuration["lane"][0]["source"]["path"])
print('{{"event": "ready"}}', file=sys.stderr, flush=True)
while True:
    for frame in sorted(frames.glob("*.png")):
        frame.unlink()
        if says is None:
            continue
        if says == "end":
            sys.exit(3)
        print(json.dumps(says), flush=True)
    time.sleep(0.002)
"""


def stand_in(folder: Path, says: object) -> Gate:
    """Its reader says a row (JSON), nothing (None), or ends ("end") at the first frame."""
    number = len(list(folder.glob("gate-*")))
    program = folder / f"reader-{number}"
    program.write_text(READER.format(python=sys.executable, says=json.dumps(says)), encoding="utf-8")
    program.chmod(0o700)
    place = folder / f"gate-{number}"
    place.mkdir()
    return Gate(name="gate-a", folder=place, program=program, broker_port=1, answer_seconds=0.3)
