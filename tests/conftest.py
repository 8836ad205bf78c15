"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support import postgresql as programs


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


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long texts and bytes go by the argument's name: many are made anew in each process, and two that collect the same
    tests must agree on their names."""
    if isinstance(val, bytes) or (isinstance(val, str) and len(val) > 60):
        return argname
    return None
