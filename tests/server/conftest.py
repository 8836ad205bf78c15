"""Fixtures of the server's tests."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.databases import drop_schemas
from tests.support.office import Office, open_office


@pytest.fixture(scope="session", autouse=True)
def clean_postgresql() -> Iterator[None]:
    """Leaves nothing behind where the tests run on PostgreSQL."""
    yield
    drop_schemas()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A whole server with its staff; see `tests.support.office`."""
    with closing(open_office(tmp_path)) as opened:
        yield opened
