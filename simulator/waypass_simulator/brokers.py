"""Real MQTT brokers for demos, benchmarks and tests: the embedded one and Mosquitto, each a process of its own.

`LocalBroker` starts one on a free port of this machine, kills it (SIGKILL) or ends it, and starts it again on the same
port. Mosquitto keeps nothing on disk here, so after `kill` both come back empty.
"""

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from waypass_simulator.processes import Program, ProgramError, free_port, wait_for_port

START_SECONDS = 20.0


class BrokerKind(StrEnum):
    """Which program."""

    EMBEDDED = "embedded"
    MOSQUITTO = "mosquitto"


class LocalBroker:
    """One broker at `host`:`port`. `folder` is for its files; `passwords` is a file for the embedded one."""

    host = "127.0.0.1"

    def __init__(self, kind: BrokerKind, folder: Path, *, passwords: Path | None = None) -> None:
        """Returns once it accepts connections. Raises `ProgramError`."""
        self.kind = kind
        self.port = free_port(self.host)
        self._folder = folder
        self._passwords = passwords
        self.program = self._start()

    def start(self) -> None:
        """Again, on the same port, after `kill` or `terminate`."""
        self.program.close()
        self.program = self._start()

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        self.program.kill()

    def terminate(self) -> int:
        """SIGTERM; its exit code."""
        return self.program.terminate()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and does nothing."""
        self.program.pause()

    def resume(self) -> None:
        """SIGCONT."""
        self.program.resume()

    def close(self) -> None:
        """End it for good."""
        self.program.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> Program:
        if self.kind is BrokerKind.EMBEDDED:
            return start_embedded(self.host, self.port, passwords=self._passwords)
        return start_mosquitto(self.host, self.port, self._folder)


def mosquitto_program() -> str | None:
    """Where Mosquitto is; Debian puts it into a folder that is not on everybody's search path."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def start_embedded(host: str, port: int, *, passwords: Path | None = None) -> Program:
    """The embedded broker, once it listens. Raises `ProgramError`."""
    options = ["--passwords", str(passwords)] if passwords else []
    module = [sys.executable, "-m", "waypass_server.commands.broker"]
    program = Program([*module, "broker", "--host", host, "--port", str(port), *options])
    with program.closed_on_error():
        program.wait_for_line(r"^broker: listening on ", timeout=START_SECONDS)
    return program


def start_mosquitto(host: str, port: int, folder: Path, *, more: str = "") -> Program:
    """Mosquitto, once it listens; `more` are further lines of its configuration. Raises `ProgramError`."""
    program = mosquitto_program()
    if program is None:
        raise ProgramError("expected the program mosquitto to be installed, found none")
    configuration = folder / f"mosquitto-{port}.conf"
    # Started by root it would become another user, who may not read the caller's files.
    user = "user root\n" if os.getuid() == 0 else ""
    common = f"{user}listener {port} {host}\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
    configuration.write_text(common + more, encoding="utf-8")
    running = Program([program, "-c", configuration])
    with running.closed_on_error():
        wait_for_port(host, port, timeout=START_SECONDS, program=running)
    return running
