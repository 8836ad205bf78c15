"""Fixtures of the sign-in's tests."""

import pytest
from tests.support.console import ConsoleBrowser
from tests.support.office import Office


@pytest.fixture
def browser(office: Office) -> ConsoleBrowser:
    """A browser where nobody is signed in."""
    return ConsoleBrowser(office)
