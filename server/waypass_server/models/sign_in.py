"""How members of staff show that it is them: passwords, codes, passkeys, links and tokens, and what was tried in vain.

No password, code, link or token stands here, only what it can be compared with. The secret of an authenticator app has
to be kept as it is, because codes are computed from it. Everything of a person goes when a new enrolment begins.
"""

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds


class StaffPassword(Base):
    """The argon2 hash of a person's password."""

    __tablename__ = "staff_passwords"

    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"), primary_key=True, autoincrement=False)
    hash: Mapped[str] = mapped_column(String(300))
    changed_at: Mapped[Seconds]


class Authenticator(Base):
    """A person's authenticator app. `secret` counts; `pending` is shown and waits for its first code. `last_step` is
    the newest time step whose code was used: none before it, and not itself, counts again.
    """

    __tablename__ = "staff_authenticators"

    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"), primary_key=True, autoincrement=False)
    secret: Mapped[str | None] = mapped_column(String(64))
    pending: Mapped[str | None] = mapped_column(String(64))
    last_step: Mapped[int] = mapped_column(ID)


class RecoveryCode(Base):
    """A code for the day on which the app is not at hand; the row goes when it is used."""

    __tablename__ = "staff_recovery_codes"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))


class Passkey(Base):
    """A passkey (WebAuthn). `credential_id` is base64url; `used_on` is the beginning of the day of its last use."""

    __tablename__ = "staff_passkeys"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"), index=True)
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(ID)
    label: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[Seconds]
    used_on: Mapped[Seconds | None]


class EnrolmentLink(Base):
    """Leave to set up ways to sign in, once. `asked_by` is None for whoever has a shell on the server; the secret is
    made, and hashed here, when a second administrator confirms.
    """

    __tablename__ = "enrolment_links"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"))
    asked_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    confirmed_by: Mapped[int | None] = mapped_column(ID, ForeignKey("staff.id"))
    secret_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    created_at: Mapped[Seconds]
    ends_at: Mapped[Seconds] = mapped_column(index=True)


class ApiToken(Base):
    """A token that a person made for a program: some of the person's roles, reading or also writing, until `ends_at`.
    `used_on` is the beginning of the day of its last use.
    """

    __tablename__ = "api_tokens"

    id: Mapped[Id]
    staff_id: Mapped[int] = mapped_column(ID, ForeignKey("staff.id"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    last_four: Mapped[str] = mapped_column(String(4))
    roles: Mapped[list[Any]] = mapped_column(JSON)
    writes: Mapped[bool]
    created_at: Mapped[Seconds]
    ends_at: Mapped[Seconds]
    used_on: Mapped[Seconds | None]
    revoked_at: Mapped[Seconds | None]


class Ceremony(Base):
    """A sign-in or a registration that was begun at a browser and takes a second step: a challenge for a passkey, or
    what an OpenID provider has to bring back. Found by the hash of what the browser's cookie holds; used once.
    """

    __tablename__ = "sign_in_ceremonies"

    owner_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    held: Mapped[dict[str, Any]] = mapped_column(JSON)
    ends_at: Mapped[Seconds] = mapped_column(index=True)


class FailedSignIn(Base):
    """Something that was tried at the sign-in and is not right. `source` is a keyed hash of the address; `account` is
    24 bits of a hash of the name that was typed, which tell nothing of it.
    """

    __tablename__ = "failed_sign_ins"
    __table_args__ = (
        Index("ix_failed_sign_ins_source_at", "source", "at"),
        Index("ix_failed_sign_ins_account_at", "account", "at"),
    )

    id: Mapped[Id]
    at: Mapped[Seconds]
    source: Mapped[str] = mapped_column(String(64))
    account: Mapped[int | None] = mapped_column(ID)
