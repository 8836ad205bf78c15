"""Fixtures of the server's tests."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.office import Office, open_office


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A whole server with its staff; see `tests.support.office`."""
    with closing(open_office(tmp_path)) as opened:
        yield opened
