"""`waypass-server` where only a reader is installed."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys

missing = sys.argv.pop(1)

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
from waypass_server.cli import main
main()
"""


def run_without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, module, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("pwdlib", ["--help"]), ("sqlalchemy", ["migrate", "--config", "none.toml"]), ("amqtt", ["broker"])],
)
def test_without_the_server_s_libraries_it_says_what_to_install(module: str, arguments: list[str]) -> None:
    done = run_without(module, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"waypass-server: {module}")
    assert line.endswith(
        "is not installed: this machine has not the server's part; install it: pip install 'waypass[server]'"
    )


def test_a_part_of_our_own_that_is_missing_is_no_matter_of_installing() -> None:
    done = run_without("waypass_protocol", "--help")
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'waypass_protocol'" in done.stderr


def test_with_everything_it_runs() -> None:
    assert run_without("nothing_of_that_name", "--help").returncode == 0
