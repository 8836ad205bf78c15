"""Waits that grow."""

import pytest
from sqlalchemy import func, select
from tests.support.office import DAY, NOW, Office

from waypass_server.models.sign_in import FailedSignIn
from waypass_server.signin import attempts
from waypass_server.signin.attempts import FREE_OF_ACCOUNT, FREE_OF_SOURCE, LONGEST_WAIT, SOURCE_WINDOW, Wait

pytestmark = pytest.mark.both_stores


def test_how_long_one_waits() -> None:
    waits = [attempts.wait_after(failures, FREE_OF_ACCOUNT) for failures in range(12)]
    assert waits == [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900]
    assert attempts.wait_after(10**6, FREE_OF_ACCOUNT) == LONGEST_WAIT


def fail(office: Office, *, source: str, account: int | None = None) -> None:
    with office.services.database.changing() as session:
        attempts.count(session, source=source, account=account, now=office.services.now())


def test_a_place_waits_for_what_came_from_it(office: Office) -> None:
    for _ in range(FREE_OF_SOURCE):
        with office.services.database.changing() as session:
            attempts.check_source(session, "a", NOW)
        fail(office, source="a")
    with (
        pytest.raises(Wait, match="too many wrong attempts; wait 30 s") as caught,
        office.services.database.changing() as session,
    ):
        attempts.check_source(session, "a", NOW)
    assert caught.value.seconds == 30
    with office.services.database.changing() as session:
        attempts.check_source(session, "b", NOW)
        attempts.check_source(session, "a", NOW + 30)
    with pytest.raises(Wait, match="wait 1 s"), office.services.database.changing() as session:
        attempts.check_source(session, "a", NOW + 29)


def test_an_account_waits_for_a_day_of_guesses(office: Office) -> None:
    for number in range(FREE_OF_ACCOUNT):
        fail(office, source=f"place {number}", account=7)
    with pytest.raises(Wait, match="wait 30 s"), office.services.database.changing() as session:
        attempts.check_account(session, 7, NOW)
    with office.services.database.changing() as session:
        attempts.check_account(session, 8, NOW)
        attempts.check_account(session, 7, NOW + 30)
        attempts.check_account(session, 7, NOW + DAY)
        attempts.take_back(session, 7)
        attempts.check_account(session, 7, NOW)


def test_what_is_over_is_forgotten(office: Office) -> None:
    def kept() -> int:
        with office.services.database.reading() as session:
            return session.scalar(select(func.count()).select_from(FailedSignIn)) or 0

    fail(office, source="a")
    fail(office, source="a", account=7)
    office.later(SOURCE_WINDOW)
    assert kept() == 1
    office.later(DAY - SOURCE_WINDOW)
    assert kept() == 0


def test_an_account_is_too_few_bits_to_tell_what_was_typed() -> None:
    assert {attempts.account_of(name) < 1 << 24 for name in ("", "Ada", "王", "\ud800", "x" * 10_000)} == {True}
    assert attempts.account_of("Ada") != attempts.account_of("Bob")
