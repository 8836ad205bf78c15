"""`waypass-reader check`: decide texts offline, with the gate's own rule and nothing else.

- The folder's messages arrive at `--at` (see `status_folder`); whatever is not taken is named on standard error, and
  decisions go on: without a usable folder the status is unknown, as at a gate.
- Texts are the arguments, or the lines of standard input: split at line feeds only, with one CR LF or LF taken off the
  end and nothing else, since Base45 contains the space. Each line, also an empty or undecodable one, gets one answer,
  as it comes. A line that goes on past any text's limit is cut there; the answer is the same.
- Each text is judged by itself: there is no re-entry memory.
- `microseconds` is the time that the decision took, without reading and printing.

Exit code 0 when every text opened, 1 when one did not, 2 for bad settings. OpenCV, NumPy and MQTT are not loaded.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from waypass_protocol.admission import Gate, decide
from waypass_protocol.assembly import MemoryKeeper, StatusStore
from waypass_protocol.passes import MAX_TEXT
from waypass_protocol.policy import Policy
from waypass_protocol.reasons import Decision, Outcome
from waypass_protocol.reentry import NoReentry
from waypass_reader.errors import ConfigurationError
from waypass_reader.settings_files import load_policy, load_trust_set
from waypass_reader.status_folder import load_folder
from waypass_reader.words import SIGNS, instruction

# No code point takes more than 4 bytes, so what is left of a longer line is still a text over the limit.
_LONGEST_LINE = 4 * (MAX_TEXT + 1)


def check(
    keys: Annotated[Path, typer.Option(metavar="JWKS", help="The network's trust set (JWK Set).")],
    status: Annotated[Path, typer.Option(metavar="DIR", help="Folder of *.snapshot, *.compact, *.delta and *.head.")],
    scope: Annotated[int, typer.Option(min=0, help="The scope that the gate guards.")],
    at: Annotated[int, typer.Option(min=0, metavar="UNIX", help="The time to judge at, in UNIX seconds.")],
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="The gate's policy (JSON).")] = None,
    clock_untrusted: Annotated[
        bool, typer.Option("--clock-untrusted", help="Judge as with a clock not to trust.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    texts: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT ...]", help="Texts; without any, the lines of standard input.")
    ] = None,
) -> None:
    """Decide texts offline, as a gate would at a given time."""
    gate = Gate(trust=load_trust_set(keys), scope=scope, policy=load_policy(policy) if policy else Policy())
    store = _load_status(gate, status, at)
    clock_trusted = store.clock_trusted(at, synchronised=True) and not clock_untrusted
    all_open = True
    for text in texts or read_lines(_standard_input()):
        started = time.perf_counter_ns()
        decision = decide(text, now=at, clock_trusted=clock_trusted, gate=gate, lists=store.view, reentry=NoReentry())
        spent_ns = time.perf_counter_ns() - started
        all_open = all_open and decision.outcome is Outcome.OPEN
        _answer(_as_json(decision, spent_ns) if as_json else _as_words(decision))
    raise typer.Exit(0 if all_open else 1)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:  # Python's word for a standard input that was closed
        raise ConfigurationError("expected texts as arguments or on standard input, which is closed")
    return sys.stdin.buffer


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """The texts of a stream, one a line, as the module's docstring says."""
    while line := stream.readline(_LONGEST_LINE):
        rest = line
        while not rest.endswith(b"\n") and (rest := stream.readline(_LONGEST_LINE)):
            pass
        end = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        # Bytes that are no UTF-8 become lone surrogates, which no text that opens contains.
        yield line.removesuffix(end).decode("utf-8", errors="surrogateescape")


def _load_status(gate: Gate, folder: Path, at: int) -> StatusStore:
    store = StatusStore(trust=gate.trust, keeper=MemoryKeeper(), clock_skew=gate.policy.clock_skew)
    for complaint in load_folder(store, folder, trust=gate.trust, now=at):
        typer.echo(f"check: {complaint}", err=True)
    if not store.view:
        typer.echo("check: no status list could be made from the folder; the status of every pass is unknown", err=True)
    return store


def _answer(line: str) -> None:
    """Print one answer now: whoever feeds texts through a pipe waits for it."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _as_json(decision: Decision, spent_ns: int) -> str:
    return json.dumps(
        {
            "outcome": decision.outcome.value,
            "reason": decision.reason.value,
            "aspect": decision.aspect.value,
            "microseconds": round(spent_ns / 1000, 1),
        }
    )


def _as_words(decision: Decision) -> str:
    """A line for people; it never repeats the text."""
    advice = instruction(decision.reason)
    return f"{decision.outcome}: {decision.reason} ({decision.aspect}) - {(advice or SIGNS[decision.aspect].words).en}"
