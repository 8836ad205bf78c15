"""The living demonstration in a terminal: what runs, where to look, and until when.

SIGINT (Ctrl-C), SIGTERM and SIGHUP end it, at any moment: by unwinding, so that no program outlives it. While it is
ending, a second one changes nothing.
"""

import signal
import threading
from collections import Counter
from types import FrameType
from typing import Final

import qrcode
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from waypass_simulator.demo.living import BASIS, NOTICE, Living, Run, running

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NAME_WIDTH: Final = 16
_HALVES: Final = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
"""Two modules, one over the other, dark or not, in light on dark: that is what most terminals are."""


class _Ended(SystemExit):
    """Somebody asked for the end."""


def live(living: Living, console: Console) -> None:
    """Run until a signal comes. Raises `SimulatorError` for what keeps it from starting."""
    lock = threading.Lock()
    counts: Counter[str] = Counter()

    def note(words: str) -> None:
        with lock:
            console.print(Text(words, style="dim"))

    for number in _ENDING:
        signal.signal(number, _end)
    try:
        with running(living, note) as run:
            try:
                with lock:
                    _tell_addresses(run, console)
                threading.Event().wait()
            finally:
                counts = run.board.counts()
    except _Ended:
        console.print(Text("\nEnded, and every program with it.", style="dim"))
        if counts:
            console.print(Text(_in_words(counts), style="bold"))


def _end(_number: int, _frame: FrameType | None) -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise _Ended(0)


def _tell_addresses(run: Run, console: Console) -> None:
    console.print()
    console.print(Padding(_code(f"{run.address}/"), (0, 0, 0, 2)))
    rows = {
        "The stage": f"{run.address}/",
        "Your wallet": f"{run.address}/wallet/",
        "Pavel proposes": run.sign_in("pavel"),
        "Anna approves": run.sign_in("anna"),
        "The station": f"{run.address}/station/   (key {run.deployment.station_key})",
        **{f"Screen, {name}": f"{run.address}/gates/{name}/" for name in run.walkways},
    }
    console.print()
    for name, address in rows.items():
        # Not broken into lines: an address with a line end in it leads nowhere.
        console.print(Text.assemble((f"  {name:<{_NAME_WIDTH}}", "bold"), address), soft_wrap=True)
    console.print()
    words = f"An entry on the basis “{BASIS}” takes effect {NOTICE} s after it was approved."
    console.print(Text(words, style="dim"))
    console.print(Text("Ctrl-C ends the demonstration.", style="bold"))


def _code(text: str) -> Text:
    """A QR code in half blocks."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_L, border=2)
    code.add_data(text)
    code.make(fit=True)
    rows = code.get_matrix()
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = ("".join(map(_HALVES.__getitem__, zip(*rows[at : at + 2], strict=True))) for at in range(0, len(rows), 2))
    return Text("\n".join(lines), style="bright_white on black", no_wrap=True)


def _in_words(counts: Counter[str]) -> str:
    came = sum(counts.values())
    return f"{came} people came; {counts['open']} went through, {came - counts['open']} were looked after by staff."
