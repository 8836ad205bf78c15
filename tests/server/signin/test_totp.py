"""Codes of authenticator apps and recovery codes, as they are computed and typed."""

import base64

import pytest

from waypass_server.signin import recovery, totp
from waypass_server.signin.totp import STEP

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    # RFC 6238, appendix B: the last six of the eight digits.
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_the_vectors_of_the_standard(now: int, code: str) -> None:
    assert totp.step_of(RFC_SECRET, code, now=now, after=0) == now // STEP


@pytest.mark.parametrize(
    ("name", "seconds", "after", "found"),
    [
        ("its own step", 0, 0, True),
        ("a step later", STEP, 0, True),
        ("a step before", -STEP, 0, True),
        ("two steps later", 2 * STEP, 0, False),
        ("two steps before", -2 * STEP, 0, False),
        ("used already", 0, 37037036, False),
        ("a later one was used", 0, 37037037, False),
        ("an earlier one was used", 0, 37037035, True),
    ],
)
def test_when_a_code_counts(name: str, seconds: int, after: int, found: bool) -> None:
    step = totp.step_of(RFC_SECRET, "081804", now=1111111109 + seconds, after=after)
    assert step == (37037036 if found else None)


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("081804", "081804"),
        (" 081 804 ", "081804"),
        ("08180", None),
        ("0818044", None),
        ("08180x", None),
        ("٠٨١٨٠٤", None),
        ("", None),
    ],
)
def test_what_is_typed(typed: str, code: str | None) -> None:
    assert totp.as_code(typed) == code


def test_what_an_app_scans() -> None:
    address = totp.address(RFC_SECRET, name="Ada Lovelace", network="metro")
    assert address == f"otpauth://totp/Waypass%20metro:Ada%20Lovelace?secret={RFC_SECRET}&issuer=Waypass%20metro"


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("K7QM-4TZP-AAAA-0123", "K7QM-4TZP-AAAA-0123"),
        ("k7qm4tzpaaaao1z3", "K7QM-4TZP-AAAA-01Z3"),
        ("K7QM-4TZP", None),
        ("K7QM-4TZP-AAAA-01234", None),
        ("081804", None),
        ("", None),
    ],
)
def test_recovery_codes_as_they_are_typed(typed: str, code: str | None) -> None:
    assert recovery.as_code(typed) == code
