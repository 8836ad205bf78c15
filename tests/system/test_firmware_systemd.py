"""The shipped units before the real `systemd-analyze` and `systemd-sysusers`; no unit is started."""

import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

SHIPPED = Path(__file__).resolve().parents[2] / "firmware-config"
UNITS = SHIPPED / "systemd"
NAMES = ("waypass-reader.service", "waypass-server.service", "waypass-broker.service", "waypass-station.service")
# Tenths, as `--threshold` takes them. systemd 252 says 20, 11, 11 and 11; a newer one may know more to look at.
MOST_EXPOSED = dict(zip(NAMES, (25, 15, 15, 15), strict=True))

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
needs_sysusers = pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed"
)


def placed(folder: Path, name: str, *, more: str = "") -> Path:
    """The unit in a folder, with programs that are there in the place of those in /opt."""
    for program in ("waypass-reader", "waypass-server"):
        (folder / program).write_text("#!/bin/sh\n", encoding="utf-8")
        (folder / program).chmod(0o755)
    text = (UNITS / name).read_text(encoding="utf-8")
    assert "ExecStart=/opt/waypass/bin/" in text
    unit = folder / name
    unit.write_text(text.replace("/opt/waypass/bin/", f"{folder}/") + more, encoding="utf-8")
    return unit


def verify(unit: Path) -> list[str]:
    """What `systemd-analyze verify` has to say of this unit; of the machine's own units it may say anything."""
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = [line for line in done.stderr.splitlines() if "waypass" in line]
    return said if done.returncode == 0 else [*said, f"exit code {done.returncode}"]


@needs_analyze
@pytest.mark.parametrize("name", NAMES)
def test_systemd_has_nothing_to_say_against_a_unit(tmp_path: Path, name: str) -> None:
    assert verify(placed(tmp_path, name)) == []


@needs_analyze
@pytest.mark.parametrize("name", ["screen", "sound"])
def test_the_screen_and_the_sound_belong_to_the_reader_and_are_read(tmp_path: Path, name: str) -> None:
    unit = placed(tmp_path, "waypass-reader.service")
    folder = tmp_path / "waypass-reader.service.d"
    folder.mkdir()
    shutil.copy(UNITS / f"waypass-reader-{name}.conf", folder / f"{name}.conf")
    assert verify(unit) == []
    with (folder / f"{name}.conf").open("a", encoding="utf-8") as file:
        file.write("\n[Service]\nTTYPaths=/dev/tty2\n")
    assert len(verify(unit)) == 1


@needs_analyze
@pytest.mark.parametrize("more", ["\n[Service]\nProtectSytem=strict\n", "\n[Service]\nExecStartPre=/no/such/program\n"])
def test_it_would_have_something_to_say(tmp_path: Path, more: str) -> None:
    assert verify(placed(tmp_path, "waypass-reader.service", more=more)) != []


@needs_analyze
@pytest.mark.parametrize("name", NAMES)
def test_a_unit_is_no_more_exposed_than_it_says(name: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold", str(MOST_EXPOSED[name])]
    done = subprocess.run([*command, str(UNITS / name)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@needs_analyze
def test_the_reader_may_still_ask_whether_the_clock_is_synchronised() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--json=short", str(UNITS / NAMES[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    clock = [row for row in json.loads(done.stdout) if row["json_field"] in ("ProtectClock", "SystemCallFilter_clock")]
    assert len(clock) == 2
    assert not any(row["set"] for row in clock), "a gate would call staff for everybody"


@needs_sysusers
def test_the_units_users_are_made_with_the_groups_of_the_devices(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "waypass.sysusers.conf")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    made = {file: (tmp_path / "etc" / file).read_text(encoding="utf-8") for file in ("passwd", "group")}
    for user in ("waypass-reader", "waypass-server", "waypass-station"):
        assert f"{user}:" in made["passwd"]
        assert f"\nUser={user}\n" in (UNITS / f"{user}.service").read_text(encoding="utf-8")
    assert all(f"{group}:" in made["group"] for group in ("video", "gpio"))


def test_the_readers_state_is_in_the_folder_that_its_unit_gives() -> None:
    settings = tomllib.loads((SHIPPED / "reader.toml").read_text(encoding="utf-8"))
    assert f"\nStateDirectory={Path(settings['state']).name}\n" in (UNITS / NAMES[0]).read_text(encoding="utf-8")
    assert Path(settings["state"]).parent == Path("/var/lib")
