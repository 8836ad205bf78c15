"""Programs that run beside this one, started and ended for real."""

import signal
import socket
import sys
import threading

import pytest

from waypass_simulator.processes import Program, ProgramError, Stream, free_port, wait_for_port

SECONDS = 40.0


def python(script: str, stdin: str | None = None) -> Program:
    return Program([sys.executable, "-c", script], stdin=stdin)


def test_both_streams_are_collected_however_much_is_written() -> None:
    script = "import sys\nfor n in range(20000): print('out', n); print('err', n, file=sys.stderr)"
    with python(script) as program:
        assert program.wait(timeout=SECONDS) == 0
        assert program.lines(Stream.STDOUT) == [f"out {n}" for n in range(20_000)]
        assert program.text(Stream.STDERR).endswith("err 19999\n")


def test_a_line_is_waited_for_and_can_be_asked_for_again() -> None:
    script = "import sys\nfor line in ['port 7', 'ready', 'port 8']: print(line, file=sys.stderr)\nsys.stdin.read()"
    with python(script) as program:
        assert program.wait_for_line(r"port (\d)", timeout=SECONDS)[1] == "7"
        assert program.wait_for_line(r"port (\d)", timeout=SECONDS, start=1)[1] == "8"


def test_a_line_that_does_not_come_says_what_came_instead() -> None:
    message = r"(?s)ended with 3.*expected a line matching 'ready'.*no luck"
    with (
        python("import sys; print('no luck', file=sys.stderr); sys.exit(3)") as program,
        pytest.raises(ProgramError, match=message),
    ):
        program.wait_for_line("ready", timeout=SECONDS)
    message = r"still running.*expected a line matching 'ready' .* within 0\.1 s"
    with python("import time; time.sleep(60)") as program, pytest.raises(ProgramError, match=message):
        program.wait_for_line("ready", timeout=0.1)


def test_ending_it_three_ways() -> None:
    ended = []
    with python("import time; print('up'); time.sleep(60)") as program:
        ended.append(f"output of {program.pid}")
        program.wait_for_line("up", stream=Stream.STDOUT, timeout=SECONDS)
        assert program.exit_code is None
        assert program.terminate() == -signal.SIGTERM
    with python("import time; time.sleep(60)") as program:
        ended.append(f"output of {program.pid}")
        program.kill()
        assert program.exit_code == -signal.SIGKILL
        program.kill()
    with python("import time; time.sleep(60)") as program:
        ended.append(f"output of {program.pid}")
        program.pause()
        with pytest.raises(ProgramError, match=r"expected an end within 0\.1 s"):
            program.terminate(timeout=0.1)
        program.resume()
        assert program.wait(timeout=SECONDS) == -signal.SIGTERM
    assert not any(thread.name in ended for thread in threading.enumerate())


def test_standard_input_is_given_whole_and_a_program_may_ignore_it() -> None:
    with python("import sys; print(len(sys.stdin.read()))", stdin="x" * 300_000) as program:
        assert program.wait(timeout=SECONDS) == 0
        assert program.lines(Stream.STDOUT) == ["300000"]
    with python("pass", stdin="x" * 300_000) as program:
        assert program.wait(timeout=SECONDS) == 0


def test_a_program_that_cannot_be_started() -> None:
    with pytest.raises(ProgramError, match="could not start /no/such/program"):
        Program(["/no/such/program"])


def test_it_is_closed_when_waiting_for_it_fails() -> None:
    program = python("import time; time.sleep(60)")
    with pytest.raises(ProgramError, match="expected a line"), program.closed_on_error():
        program.wait_for_line("ready", timeout=0.1)
    assert program.exit_code == -signal.SIGKILL


def test_waiting_for_a_port() -> None:
    port = free_port()
    with pytest.raises(ProgramError, match=rf"expected a listener at 127\.0\.0\.1:{port} within 0\.1 s"):
        wait_for_port("127.0.0.1", port, timeout=0.1)
    with socket.create_server(("127.0.0.1", port)):
        wait_for_port("127.0.0.1", port, timeout=SECONDS)
    message = r"(?s)the program ended with 1.*gave up"
    with python("import sys; sys.exit('gave up')") as program, pytest.raises(ProgramError, match=message):
        wait_for_port("127.0.0.1", port, timeout=SECONDS, program=program)


def test_a_program_that_nobody_holds_is_ended() -> None:
    script = (
        "import subprocess, sys\n"
        "from waypass_simulator.processes import end_children\n"
        "lost = subprocess.Popen(['sleep', '600'])\n"
        "print(end_children() == [lost.pid], end_children())"
    )
    with python(script) as program:
        assert program.wait(timeout=SECONDS) == 0
        assert program.lines(Stream.STDOUT) == ["True []"]
