"""The first form of the database: everything of version 0.1."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "networks",
    "scopes",
    "authorities",
    "staff",
    "people",
    "desk_codes",
    "wallets",
    "failed_enrolments",
    "bases",
    "basis_versions",
    "entries",
    "objections",
    "exemptions",
    "facts",
    "notices",
    "emergency_withdrawals",
    "events",
    "status_heads",
    "status_lists",
    "passes",
    "status_changes",
    "status_decoys",
    "status_deltas",
    "status_snapshots",
    "status_versions",
    "used_indexes",
    "pass_challenges",
)


def upgrade() -> None:
    """Make every table, those that others refer to first."""
    _network()
    _people()
    _lists()
    _records()
    _status()


def downgrade() -> None:
    """Take every table away again."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _network() -> None:
    """What a network is made of, and who works for it."""
    op.create_table(
        "networks",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_networks")),
        sa.UniqueConstraint("name", name=op.f("uq_networks_name")),
    )
    op.create_table(
        "scopes",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("number", ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("essential", sa.Boolean(), nullable=False),
        sa.Column("by_grant", sa.Boolean(), nullable=False),
        sa.Column("needs_evidence", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_scopes_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scopes")),
        sa.UniqueConstraint("network_id", "name", name=op.f("uq_scopes_network_id_name")),
        sa.UniqueConstraint("network_id", "number", name=op.f("uq_scopes_network_id_number")),
    )
    op.create_table(
        "authorities",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("contact", sa.String(length=500), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_authorities_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authorities")),
        sa.UniqueConstraint("network_id", "name", name=op.f("uq_authorities_network_id_name")),
    )
    op.create_table(
        "staff",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("desk", sa.String(length=200), nullable=False),
        sa.Column("authority_id", ID, nullable=True),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["authority_id"], ["authorities.id"], name=op.f("fk_staff_authority_id_authorities")),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_staff_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff")),
        sa.UniqueConstraint("network_id", "name", name=op.f("uq_staff_network_id_name")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_staff_token_hash")),
    )


def _people() -> None:
    """People, and how their wallets come to them."""
    op.create_table(
        "people",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("reassess_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_people_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_people")),
        sa.UniqueConstraint("network_id", "reference", name=op.f("uq_people_network_id_reference")),
    )
    op.create_index(op.f("ix_people_reassess_at"), "people", ["reassess_at"], unique=False)
    op.create_table(
        "desk_codes",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_desk_codes_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_codes")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_desk_codes_code_hash")),
    )
    op.create_index(op.f("ix_desk_codes_expires_at"), "desk_codes", ["expires_at"], unique=False)
    op.create_index(op.f("ix_desk_codes_person_id"), "desk_codes", ["person_id"], unique=False)
    op.create_table(
        "wallets",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_wallets_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallets")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_wallets_token_hash")),
    )
    op.create_index(op.f("ix_wallets_ended_at"), "wallets", ["ended_at"], unique=False)
    op.create_index(op.f("ix_wallets_person_id"), "wallets", ["person_id"], unique=False)
    op.create_table(
        "failed_enrolments",
        sa.Column("id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_enrolments")),
    )
    op.create_index("ix_failed_enrolments_at_source", "failed_enrolments", ["at", "source"], unique=False)


def _lists() -> None:
    """Bases, entries and what is said to them, facts."""
    op.create_table(
        "bases",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("authority_id", ID, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority_id"], ["authorities.id"], name=op.f("fk_bases_authority_id_authorities")),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_bases_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bases")),
    )
    op.create_table(
        "basis_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("basis_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("citation", sa.String(length=500), nullable=False),
        sa.Column("health", sa.Boolean(), nullable=False),
        sa.Column("effects", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("longest", sa.BigInteger(), nullable=False),
        sa.Column("notice", sa.BigInteger(), nullable=False),
        sa.Column("objection_deadline", sa.BigInteger(), nullable=False),
        sa.Column("exclusions", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("proposed_by", ID, nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", ID, nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["approved_by"], ["staff.id"], name=op.f("fk_basis_versions_approved_by_staff")),
        sa.ForeignKeyConstraint(["basis_id"], ["bases.id"], name=op.f("fk_basis_versions_basis_id_bases")),
        sa.ForeignKeyConstraint(["proposed_by"], ["staff.id"], name=op.f("fk_basis_versions_proposed_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_basis_versions")),
        sa.UniqueConstraint("basis_id", "number", name=op.f("uq_basis_versions_basis_id_number")),
    )
    op.create_table(
        "entries",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("basis_version_id", ID, nullable=False),
        sa.Column("effect", sa.String(40), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("case_reference", sa.String(length=200), nullable=False),
        sa.Column("case_state", sa.String(40), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("proposed_by", ID, nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", ID, nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("notified_at", sa.BigInteger(), nullable=True),
        sa.Column("takes_effect_at", sa.BigInteger(), nullable=True),
        sa.Column("effective_at", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("end", sa.String(40), nullable=True),
        sa.ForeignKeyConstraint(["approved_by"], ["staff.id"], name=op.f("fk_entries_approved_by_staff")),
        sa.ForeignKeyConstraint(
            ["basis_version_id"], ["basis_versions.id"], name=op.f("fk_entries_basis_version_id_basis_versions")
        ),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_entries_network_id_networks")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_entries_person_id_people")),
        sa.ForeignKeyConstraint(["proposed_by"], ["staff.id"], name=op.f("fk_entries_proposed_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
    )
    op.create_index(op.f("ix_entries_person_id"), "entries", ["person_id"], unique=False)
    op.create_index(op.f("ix_entries_state"), "entries", ["state"], unique=False)
    op.create_table(
        "objections",
        sa.Column("id", ID, nullable=False),
        sa.Column("entry_id", ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("suspends", sa.Boolean(), nullable=False),
        sa.Column("decide_by", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("decided_by", ID, nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["decided_by"], ["staff.id"], name=op.f("fk_objections_decided_by_staff")),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_objections_entry_id_entries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_objections")),
    )
    op.create_index(op.f("ix_objections_entry_id"), "objections", ["entry_id"], unique=False)
    op.create_index(op.f("ix_objections_state"), "objections", ["state"], unique=False)
    op.create_table(
        "exemptions",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.Column("granted_by", ID, nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["granted_by"], ["staff.id"], name=op.f("fk_exemptions_granted_by_staff")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_exemptions_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_exemptions")),
    )
    op.create_index(op.f("ix_exemptions_person_id"), "exemptions", ["person_id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=200), nullable=False),
        sa.Column("weight", sa.String(40), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("recorded_by", ID, nullable=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_facts_network_id_networks")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_facts_person_id_people")),
        sa.ForeignKeyConstraint(["recorded_by"], ["staff.id"], name=op.f("fk_facts_recorded_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facts")),
        sa.UniqueConstraint("network_id", "digest", name=op.f("uq_facts_network_id_digest")),
    )
    op.create_index(op.f("ix_facts_person_id"), "facts", ["person_id"], unique=False)


def _records() -> None:
    """Notices, emergency withdrawals, the log."""
    op.create_table(
        "notices",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("entry_id", ID, nullable=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("delivery", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_notices_entry_id_entries")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_notices_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_delivered_at_id", "notices", ["delivered_at", "id"], unique=False)
    op.create_index(op.f("ix_notices_person_id"), "notices", ["person_id"], unique=False)
    op.create_table(
        "emergency_withdrawals",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("asked_by", ID, nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", ID, nullable=True),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("passes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["asked_by"], ["staff.id"], name=op.f("fk_emergency_withdrawals_asked_by_staff")),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["staff.id"], name=op.f("fk_emergency_withdrawals_confirmed_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["network_id"], ["networks.id"], name=op.f("fk_emergency_withdrawals_network_id_networks")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_emergency_withdrawals_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emergency_withdrawals")),
    )
    op.create_index(op.f("ix_emergency_withdrawals_done_at"), "emergency_withdrawals", ["done_at"], unique=False)
    op.create_index(op.f("ix_emergency_withdrawals_person_id"), "emergency_withdrawals", ["person_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=20), nullable=False),
        sa.Column("staff_id", ID, nullable=True),
        sa.Column("what", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_events_network_id_networks")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_events_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )


def _status() -> None:
    """Passes, status lists and what was published."""
    op.create_table(
        "status_heads",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("sequence", ID, nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_status_heads_network_id_networks")),
        sa.PrimaryKeyConstraint("network_id", name=op.f("pk_status_heads")),
    )
    op.create_table(
        "status_lists",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("uri", sa.String(length=255), nullable=False),
        sa.Column("allocated", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_status_lists_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_lists")),
        sa.UniqueConstraint("network_id", "name", name=op.f("uq_status_lists_network_id_name")),
        sa.UniqueConstraint("uri", name=op.f("uq_status_lists_uri")),
    )
    op.create_table(
        "passes",
        sa.Column("id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("list_id", ID, nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("aspects", sa.JSON(), nullable=False),
        sa.Column("iat", sa.BigInteger(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_passes_list_id_status_lists")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_passes_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passes")),
        sa.UniqueConstraint("list_id", "idx", name=op.f("uq_passes_list_id_idx")),
    )
    op.create_index(op.f("ix_passes_exp"), "passes", ["exp"], unique=False)
    op.create_index("ix_passes_person_id_exp", "passes", ["person_id", "exp"], unique=False)
    op.create_table(
        "status_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("list_id", ID, nullable=False),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("committed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_changes_list_id_status_lists")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_changes")),
    )
    op.create_table(
        "status_decoys",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_decoys_list_id_status_lists")),
        sa.PrimaryKeyConstraint("list_id", "idx", name=op.f("pk_status_decoys")),
    )
    op.create_table(
        "status_deltas",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("version", ID, autoincrement=False, nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("iat", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_deltas_list_id_status_lists")),
        sa.PrimaryKeyConstraint("list_id", "version", name=op.f("pk_status_deltas")),
    )
    op.create_table(
        "status_snapshots",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("kid", sa.LargeBinary(length=8), nullable=False),
        sa.Column("iat", sa.BigInteger(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id"], ["status_lists.id"], name=op.f("fk_status_snapshots_list_id_status_lists")
        ),
        sa.PrimaryKeyConstraint("list_id", name=op.f("pk_status_snapshots")),
    )
    op.create_table(
        "status_versions",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_versions_list_id_status_lists")),
        sa.PrimaryKeyConstraint("list_id", name=op.f("pk_status_versions")),
    )
    op.create_table(
        "used_indexes",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("idx", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_used_indexes_list_id_status_lists")),
        sa.PrimaryKeyConstraint("list_id", "idx", name=op.f("pk_used_indexes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pass_challenges",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("wallet_id", ID, nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["wallet_id"], ["wallets.id"], name=op.f("fk_pass_challenges_wallet_id_wallets")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_pass_challenges")),
    )
    op.create_index(op.f("ix_pass_challenges_expires_at"), "pass_challenges", ["expires_at"], unique=False)
    op.create_index(op.f("ix_pass_challenges_wallet_id"), "pass_challenges", ["wallet_id"], unique=False)
