"""Fixtures of the server's tests."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.databases import BOTH, Store, put_on_postgresql
from tests.support.office import Office, open_office


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See `tests.support.databases`."""
    marked = metafunc.definition.get_closest_marker
    if marked("both_stores") and not marked("sqlite_only"):
        metafunc.parametrize("store", BOTH, indirect=True)


@pytest.fixture(autouse=True)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Where the database of the test's folder is."""
    chosen: Store = getattr(request, "param", Store.SQLITE)
    if chosen is Store.POSTGRESQL:
        put_on_postgresql(tmp_path, request.getfixturevalue("postgresql"))
    return chosen


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Iterator[Office]:
    """A whole server with its staff; see `tests.support.office`."""
    with closing(open_office(tmp_path)) as opened:
        yield opened
