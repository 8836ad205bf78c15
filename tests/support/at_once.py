"""Several transactions at the same moment.

They begin together, and with `linger` each waits a moment before its commit: whoever looks without a lock looks then,
before the others are committed. So a lock that is missing shows nearly every time, where it otherwise would once in a
thousand.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sqlalchemy import Connection, event

from waypass_server.database import Database

LINGER = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What each of them gave back, and what the others raised."""

    done: list[object]
    refused: list[BaseException]


def together(*works: Callable[[], object], linger: Database | None = None) -> Outcome:
    """Run all of them, from the same moment on."""
    begin = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        begin.wait(60.0)
        return work()

    if linger is not None:
        event.listen(linger.engine, "commit", _linger)
    try:
        with ThreadPoolExecutor(len(works)) as pool:
            futures = [pool.submit(run, work) for work in works]
    finally:
        if linger is not None:
            event.remove(linger.engine, "commit", _linger)
    errors = [future.exception() for future in futures]
    return Outcome(
        done=[future.result() for future, error in zip(futures, errors, strict=True) if error is None],
        refused=[error for error in errors if error is not None],
    )


def _linger(_connection: Connection) -> None:
    threading.Event().wait(LINGER)
