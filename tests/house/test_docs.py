"""What no file of the project may hold, and what its documents promise of each other."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from tests.house.sources import ROOT

LOCK = ROOT / "requirements" / "lock.txt"
# Put together from parts, so that this file does not name them.
REGISTRIES = ["".join(parts) for parts in (("py", "pi.org"), ("python", "hosted"), ("npm", "js."), ("crates", ".io"))]


def project_files() -> list[Path]:
    """What is tracked, and what would be; outside a checkout the tests that ask this are skipped."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git does not list this folder's files")
    paths = (ROOT / name for name in listed.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in project_files():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def test_no_file_names_a_registry() -> None:
    hosts = "|".join(map(re.escape, REGISTRIES))
    assert lines_with(re.compile(rf"{hosts}|https?://\S+/simple\b|^\s*--(extra-)?index-url\b")) == []


def test_no_file_names_a_path_of_this_machine() -> None:
    places = {str(ROOT), str(Path.home())} - {"/"}
    places |= {f"{ROOT.parent}/{name}" for name in ("shared", "main") if str(ROOT.parent) != "/"}
    pattern = "|".join(rf"(?<![\w.-]){re.escape(place)}(?![\w-])" for place in sorted(places))
    assert lines_with(re.compile(pattern)) == []


def lock_entries() -> list[str]:
    """The lock file's entries, each with its continuation lines."""
    text = LOCK.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def test_the_lock_file_holds_versions_and_hashes_and_no_address() -> None:
    entries = lock_entries()
    assert len(entries) > 20
    form = re.compile(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+( ; [^;]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [entry for entry in entries if not form.fullmatch(entry)] == []
    assert "://" not in LOCK.read_text(encoding="utf-8")


def test_the_lock_file_holds_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    names = {re.split(r"[^A-Za-z0-9._-]", each)[0].lower().replace("_", "-") for each in wanted}
    locked = {re.split(r"==|\[", entry)[0] for entry in lock_entries()}
    assert sorted(names - locked) == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for path in (each for each in project_files() if each.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []
