"""`waypass-reader station` as a process: how it starts, what it says, how it ends, and what ends it at once."""

import json
import socket
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from waypass_simulator.processes import Program, Stream, free_port

COMMAND = [sys.executable, "-c", "from waypass_reader.cli import main; main()", "station", "--config"]
# What a gate needs, and the box of its staff does not.
OF_GATES = ("cv2", "numpy", "gpiozero", "zxingcpp", "pyzbar", "picamera2")
WITHOUT_GATES = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OF_GATES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: this box has no camera")

sys.meta_path.insert(0, Refuse())
from waypass_reader.cli import main
main()
"""
SECONDS = 60.0


def write(folder: Path, *, port: int = 0, broker: int | None = None, key: str = "0123456789abcdef") -> Path:
    (folder / "station-key").write_text(f"{key}\n", encoding="utf-8")
    path = folder / "station.toml"
    path.write_text(
        f'station = "north"\nnetwork = "metro"\nkey_file = "station-key"\nport = {port}\n'
        f'[broker]\nhost = "127.0.0.1"\nport = {broker or free_port()}\n[[reader]]\nid = "gate-a"\n',
        encoding="utf-8",
    )
    return path


def status(address: str, path: str) -> int:
    connection = HTTPConnection(address, timeout=SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_it_serves_without_a_broker_and_without_what_a_gate_needs(tmp_path: Path) -> None:
    config = write(tmp_path)
    with Program([sys.executable, "-c", WITHOUT_GATES, "station", "--config", config]) as program:
        found = program.wait_for_line(r'"address": "http://(127\.0\.0\.1:\d+)".*"event": "station"', timeout=SECONDS)
        assert [status(found[1], path) for path in ("/", "/static/station.css", "/events")] == [200, 200, 401]
        program.wait_for_line("the broker can't be reached; the page says so", timeout=SECONDS)
        assert program.terminate() == 0
        assert program.text(Stream.STDOUT) == ""
        lines = [json.loads(line) for line in program.lines(Stream.STDERR)]
    assert {line["station"] for line in lines} == {"north"}
    assert lines[-1]["event"] == "stopped"
    assert "0123456789abcdef" not in json.dumps(lines)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["station-key", "station.toml"]


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("a port that is taken", "0123456789abcdef", r"station page: 127\.0\.0\.1:\d+ can't be listened at"),
        ("a key that could be guessed", "1234", r"expected a first line of 16 to 256 letters"),
    ],
)
def test_what_a_person_has_to_mend_ends_it_at_once(tmp_path: Path, name: str, key: str, message: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = write(tmp_path, port=taken.getsockname()[1], key=key)
        with Program([*COMMAND, config]) as program:
            program.wait_for_line(rf"^waypass-reader: .*{message}", timeout=SECONDS)
            assert program.wait(timeout=SECONDS) == 2
