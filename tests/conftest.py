"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path

import pytest
from tests.support import postgresql as programs

_BEFORE_THE_END = 0.8
"""Of all files."""


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of vectors and pictures that others made; tests that need it are skipped where it is absent."""
    here = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("WAYPASS_SHARED", here.parent / "shared"))
    if not (folder / "vectors").is_dir():
        pytest.skip("the shared vectors are not beside this checkout; WAYPASS_SHARED names another place")
    return folder


@pytest.fixture(scope="session")
def postgresql() -> Iterator[programs.Cluster]:
    """A PostgreSQL for this test process."""
    with closing(programs.start()) as cluster:
        yield cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that start whole systems evenly among the others, the last of them well before the end: several
    processes share the files (`--dist loadfile`), and so few systems run at the same time."""
    files = {path: list(found) for path, found in groupby(items, key=lambda item: item.path)}
    systems = [path for path in files if path.parent.name == "system"]
    others = [path for path in files if path.parent.name != "system"]
    if not systems or not others:
        return
    step = len(others) * _BEFORE_THE_END / len(systems)
    placed = {path: number * step for number, path in enumerate(systems)}
    placed |= {path: float(number) for number, path in enumerate(others)}
    items[:] = [item for path in sorted(files, key=lambda path: placed[path]) for item in files[path]]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long texts and bytes go by the argument's name: many are made anew in each process, and two that collect the same
    tests must agree on their names."""
    if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 60):
        return argname
    return None
