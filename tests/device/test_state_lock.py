"""A state folder belongs to one reader at a time."""

from pathlib import Path

import pytest

from waypass_reader.errors import ConfigurationError
from waypass_reader.state_lock import hold_state, is_held


def test_a_second_holder_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    with hold_state(folder):
        with pytest.raises(ConfigurationError, match="another reader runs with this folder; stop it, or set another"):
            hold_state(folder).__enter__()
        with hold_state(tmp_path / "other"):
            pass
    with hold_state(folder):
        assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match=r"state .*file/state: can't be made \(Not a directory\)"):
        hold_state(tmp_path / "file" / "state").__enter__()


def test_whether_somebody_has_it_can_be_asked_without_trying(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "none")
    with hold_state(tmp_path / "state"):
        assert is_held(tmp_path / "state")
        assert not is_held(tmp_path)
    assert not is_held(tmp_path / "state")
