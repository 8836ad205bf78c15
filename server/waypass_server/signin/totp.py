"""Codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 s, as every app knows them).

1. a code counts in its own time step and in the one before and after, for clocks that differ
2. a step whose code was used counts no more, nor does any before it: a code that somebody saw is worth nothing
"""

import base64
import hmac

import pyotp

from waypass_server.database import RandomBytes

STEP = 30
DIGITS = 6
SECRET_BYTES = 20
NOBODYS = "A" * 32
"""Compared with where there is no secret, so that the answer takes as long."""


def new_secret(random_bytes: RandomBytes) -> str:
    """160 random bits in base32, as apps take it."""
    return base64.b32encode(random_bytes(SECRET_BYTES)).decode()


def address(secret: str, *, name: str, network: str) -> str:
    """What the app's QR code says (`otpauth://`)."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=f"Waypass {network}")


def as_code(typed: str) -> str | None:
    """Six digits as they were typed, or None when it cannot be a code."""
    text = "".join(typed.split())
    return text if len(text) == DIGITS and text.isascii() and text.isdigit() else None


def step_of(secret: str, code: str, *, now: int, after: int) -> int | None:
    """The time step that the code belongs to by rule 1, if it is later than `after` (rule 2)."""
    app, found = pyotp.TOTP(secret), None
    for step in range(now // STEP - 1, now // STEP + 2):
        # Each is computed, whichever it is.
        if hmac.compare_digest(app.at(step * STEP), code) and step > after:
            found = step
    return found
