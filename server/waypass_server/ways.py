"""The ways in which somebody came to a session at the console."""

from enum import StrEnum


class Way(StrEnum):
    """What a session began with. An API token begins none.

    `ENROLMENT` is a link: such a session can set up ways to sign in, and do nothing else.
    """

    TOKEN = "token"
    PASSWORD = "password"
    PASSKEY = "passkey"
    OIDC = "oidc"
    ENROLMENT = "enrolment"
