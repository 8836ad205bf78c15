"""How staff sign in: passwords, apps, passkeys, enrolment links, API tokens; and what was tried in vain."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WAY = sa.Enum("token", "password", "passkey", "oidc", "enrolment", name="way", native_enum=False, length=40)


def _staff(table: str, column: str = "staff_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["staff.id"], name=op.f(f"fk_{table}_{column}_staff"))


def upgrade() -> None:
    """Seven tables and two columns. Sessions that are there began with a staff token."""
    _ways_of_people()
    op.create_table(
        "enrolment_links",
        sa.Column("id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("asked_by", ID, nullable=True),
        sa.Column("confirmed_by", ID, nullable=True),
        sa.Column("secret_hash", sa.String(64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        _staff("enrolment_links"),
        _staff("enrolment_links", "asked_by"),
        _staff("enrolment_links", "confirmed_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment_links")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_enrolment_links_secret_hash")),
    )
    op.create_index(op.f("ix_enrolment_links_ends_at"), "enrolment_links", ["ends_at"], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("last_four", sa.String(4), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("writes", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("used_on", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        _staff("api_tokens"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_staff_id"), "api_tokens", ["staff_id"], unique=False)
    op.create_table(
        "sign_in_ceremonies",
        sa.Column("owner_hash", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("held", sa.JSON(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner_hash", "kind", name=op.f("pk_sign_in_ceremonies")),
    )
    op.create_index(op.f("ix_sign_in_ceremonies_ends_at"), "sign_in_ceremonies", ["ends_at"], unique=False)
    op.add_column("failed_sign_ins", sa.Column("account", ID, nullable=True))
    op.create_index("ix_failed_sign_ins_account_at", "failed_sign_ins", ["account", "at"], unique=False)
    with op.batch_alter_table("console_sessions") as sessions:
        sessions.add_column(sa.Column("way", WAY, nullable=False, server_default="token"))
    with op.batch_alter_table("console_sessions") as sessions:
        sessions.alter_column("way", server_default=None)


def _ways_of_people() -> None:
    op.create_table(
        "staff_passwords",
        sa.Column("staff_id", ID, autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(300), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        _staff("staff_passwords"),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_staff_passwords")),
    )
    op.create_table(
        "staff_authenticators",
        sa.Column("staff_id", ID, autoincrement=False, nullable=False),
        sa.Column("secret", sa.String(64), nullable=True),
        sa.Column("pending", sa.String(64), nullable=True),
        sa.Column("last_step", ID, nullable=False),
        _staff("staff_authenticators"),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_staff_authenticators")),
    )
    op.create_table(
        "staff_recovery_codes",
        sa.Column("id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("code_hash", sa.String(64), nullable=False),
        _staff("staff_recovery_codes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_recovery_codes")),
    )
    op.create_index(op.f("ix_staff_recovery_codes_staff_id"), "staff_recovery_codes", ["staff_id"], unique=False)
    op.create_table(
        "staff_passkeys",
        sa.Column("id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("credential_id", sa.String(1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", ID, nullable=False),
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_on", sa.BigInteger(), nullable=True),
        _staff("staff_passkeys"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_staff_passkeys_credential_id")),
    )
    op.create_index(op.f("ix_staff_passkeys_staff_id"), "staff_passkeys", ["staff_id"], unique=False)


def downgrade() -> None:
    """Take them away again: everybody has their staff token. Sessions that began otherwise end."""
    op.execute("DELETE FROM console_sessions WHERE way <> 'token'")
    with op.batch_alter_table("console_sessions") as sessions:
        sessions.drop_column("way")
    op.drop_index("ix_failed_sign_ins_account_at", "failed_sign_ins")
    with op.batch_alter_table("failed_sign_ins") as failed:
        failed.drop_column("account")
    for table in (
        "sign_in_ceremonies",
        "api_tokens",
        "enrolment_links",
        "staff_passkeys",
        "staff_recovery_codes",
        "staff_authenticators",
        "staff_passwords",
    ):
        op.drop_table(table)
