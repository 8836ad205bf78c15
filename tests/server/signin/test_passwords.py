"""Which passwords are accepted, and how they are compared."""

import random

import pytest

from waypass_server.refusals import BadInput
from waypass_server.signin.passwords import Passwords, normalised

DRAW = random.Random(5).randbytes


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(passes=1, memory=64, lanes=1)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("twelve letters of one kind", "aaaaaaaaaaaa"),
        ("words", "correct horse battery staple"),
        ("Chinese", "马不停蹄地赶到了车站门口"),
        ("two hundred", "x" * 200),
    ],
)
def test_what_is_accepted(passwords: Passwords, name: str, password: str) -> None:
    hashed = passwords.make(password, DRAW)
    assert hashed.startswith("$argon2id$")
    assert passwords.matches(password, hashed)
    assert not passwords.matches(password + "x", hashed)
    assert password not in hashed


@pytest.mark.parametrize(("password", "came"), [("", 0), ("elevenchars", 11), ("x" * 201, 201)])
def test_what_is_refused(passwords: Passwords, password: str, came: int) -> None:
    with pytest.raises(BadInput, match=f"password: expected 12 to 200 characters, got {came}"):
        passwords.make(password, DRAW)


def test_the_same_password_from_another_keyboard(passwords: Passwords) -> None:
    hashed = passwords.make("caf\u00e9 caf\u00e9 caf\u00e9", DRAW)
    assert passwords.matches("cafe\u0301 cafe\u0301 cafe\u0301", hashed)


def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    first, second = (passwords.make("four words that differ", DRAW) for _ in range(2))
    assert first != second


def test_without_a_hash_nothing_matches(passwords: Passwords) -> None:
    assert not passwords.matches("four words that differ", None)


def test_the_costs_are_those_that_argon2_recommends() -> None:
    hashed = Passwords().make("four words that differ", DRAW)
    assert hashed.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_half_a_character_is_no_failure() -> None:
    assert normalised("\ud800") == "?"
