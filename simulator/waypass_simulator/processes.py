"""Programs that run beside this one: started, listened to, and ended by their own process id.

What it promises:

1. Both output streams are read all the time by a thread each, so a talkative program never blocks on a full pipe;
   with `keep` only so many of the newest lines of each are held.
2. Waiting has a deadline and ends early when the program ends; the error then carries the program's last words.
3. A program is only ever signalled by its own id, and `close()` (or leaving the `with` block) leaves none behind.
4. A program inherits the environment; `environment` adds to it. Standard input is closed unless `stdin` is given.

Arguments go to the operating system as they are; no shell reads them.
"""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from waypass_simulator.errors import SimulatorError

POLL_SECONDS = 0.02
LAST_WORDS = 20
FIRST_PORT, LAST_PORT = 20_000, 32_000
ATTEMPTS = 200


class ProgramError(SimulatorError):
    """A program did not do what was waited for: it ended, could not be started, or the deadline passed."""


class Stream(StrEnum):
    """Where a program writes."""

    STDOUT = "stdout"
    STDERR = "stderr"


class Program:
    """One running program. Use it as a context manager, or call `close()`."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stdin: str | None = None,
        keep: int | None = None,
    ) -> None:
        """Start it. `stdin` is written whole and closed. Raises `ProgramError` when it cannot be started."""
        self.arguments = [str(argument) for argument in arguments]
        self._grew = threading.Condition()
        self._lines: dict[Stream, deque[str]] = {stream: deque(maxlen=keep) for stream in Stream}
        self._written = dict.fromkeys(Stream, 0)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the caller's own arguments, and no shell
                self.arguments,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                cwd=folder,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise ProgramError(f"could not start {self.arguments[0]}: {error}") from error
        self._threads = [
            self._in_background(self._collect, Stream.STDOUT, self._process.stdout),
            self._in_background(self._collect, Stream.STDERR, self._process.stderr),
        ]
        if stdin is not None:
            self._threads.append(self._in_background(self._feed, stdin, self._process.stdin))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def lines(self, stream: Stream) -> list[str]:
        """What it has written so far and is held, without line ends."""
        with self._grew:
            return list(self._lines[stream])

    def written(self, stream: Stream) -> int:
        """How many lines it has written so far, held or not."""
        with self._grew:
            return self._written[stream]

    def text(self, stream: Stream) -> str:
        """The same as one text; complete once `wait`, `kill` or `terminate` has returned."""
        return "".join(f"{line}\n" for line in self.lines(stream))

    def wait_for_line(
        self, pattern: str, *, timeout: float, stream: Stream = Stream.STDERR, start: int = 0
    ) -> re.Match[str]:
        """The first line from number `start` on in which `pattern` is found. Raises `ProgramError`."""
        deadline = time.monotonic() + timeout
        searched = start
        with self._grew:
            while True:
                new = min(self._written[stream] - searched, len(self._lines[stream]))
                for line in list(self._lines[stream])[-new:] if new > 0 else []:
                    if found := re.search(pattern, line):
                        return found
                searched = max(searched, self._written[stream])
                reading = any(thread.is_alive() for thread in self._threads[:2])
                remaining = deadline - time.monotonic()
                if not reading:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        self._process.wait(1.0)  # its output ends a moment before it does
                    raise self._unmet(f"a line matching {pattern!r} on {stream}, but it ended")
                if remaining <= 0:
                    raise self._unmet(f"a line matching {pattern!r} on {stream} within {timeout} s")
                # Bounded, because a stream that ends does not always come with a last line.
                self._grew.wait(min(remaining, 0.1))

    def wait(self, *, timeout: float) -> int:
        """Wait until it has ended and all its output is here; its exit code. Raises `ProgramError`."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._unmet(f"an end within {timeout} s") from None
        for thread in self._threads:
            # A grandchild that keeps the pipe open must not hold us here.
            thread.join(timeout=2.0)
        return code

    def terminate(self, *, timeout: float = 10.0) -> int:
        """SIGTERM, then wait for the end; its exit code. Raises `ProgramError` when it does not end in time."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout=timeout)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Nothing happens when it has ended already."""
        self.signal(signal.SIGKILL)
        self.wait(timeout=10.0)

    def pause(self) -> None:
        """SIGSTOP, and wait until it stands: it keeps its connections and does nothing, as a hung program does."""
        self.signal(signal.SIGSTOP)
        with contextlib.suppress(ChildProcessError):  # it has ended
            while self.exit_code is None and os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG) is None:
                time.sleep(POLL_SECONDS)

    def resume(self) -> None:
        """SIGCONT."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to this process id, unless it has ended and been waited for."""
        self._process.send_signal(number)

    def close(self) -> None:
        """End it whatever it does, and release the pipes."""
        self.kill()
        if any(thread.is_alive() for thread in self._threads):
            return  # A grandchild still holds a pipe: closing it under its reader would block; they end together.
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    @contextlib.contextmanager
    def closed_on_error(self) -> Iterator[None]:
        """For whoever starts a program, waits until it is ready, and then hands it on."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _in_background(self, task: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=task, args=arguments, name=f"output of {self.pid}", daemon=True)
        thread.start()
        return thread

    def _collect(self, stream: Stream, pipe: IO[str]) -> None:
        for line in pipe:
            with self._grew:
                self._lines[stream].append(line.rstrip("\n"))
                self._written[stream] += 1
                self._grew.notify_all()
        with self._grew:
            self._grew.notify_all()

    @staticmethod
    def _feed(text: str, pipe: IO[str]) -> None:
        try:
            pipe.write(text)
            pipe.close()
        except BrokenPipeError:
            pass  # It ended, or closed its input, without reading everything: its exit code tells.

    def _unmet(self, expected: str) -> ProgramError:
        words = [line for stream in Stream for line in list(self._lines[stream])[-LAST_WORDS:]]
        state = "still running" if self.exit_code is None else f"ended with {self.exit_code}"
        return ProgramError("\n".join([f"{self.arguments[0]} ({state}): expected {expected}; it said:", *words]))


def end_children() -> list[int]:
    """SIGKILL every program that this process started and that still runs; their process ids.

    For the very end of a program: a signal that arrives while another is being started can leave one whose id nobody
    holds. Only where the system lists a process's own children (Linux does).
    """
    found = []
    for task in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(number) for number in task.read_text().split()]
    for number in found:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
    return found


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now, for a program that cannot choose one itself and say which.

    It lies below the range from which Linux takes the near ends of outgoing connections. Otherwise a client that tries
    to reach a program which has just been killed could take the port away from it.
    """
    for _ in range(ATTEMPTS):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise ProgramError(f"expected a free port from {FIRST_PORT} to {LAST_PORT} at {host}, found none")


def wait_for_port(host: str, port: int, *, timeout: float, program: Program | None = None) -> None:
    """Wait until something accepts connections there. Raises `ProgramError` at the deadline or when `program` ends."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            with socket.create_connection((host, port), timeout=1.0):
                return
        except OSError as error:
            if program is not None and program.exit_code is not None:
                program.wait(timeout=1.0)  # for the rest of what it wrote
                raise ProgramError(
                    f"expected a listener at {host}:{port}, but the program ended with {program.exit_code}:\n"
                    f"{program.text(Stream.STDERR)}"
                ) from error
            if time.monotonic() >= deadline:
                raise ProgramError(f"expected a listener at {host}:{port} within {timeout} s: {error}") from error
        time.sleep(POLL_SECONDS)
