"""Rule sets, what they propose, and what they see of facts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the three tables, and the column of facts."""
    op.add_column("facts", sa.Column("details", sa.JSON(), nullable=True))
    op.create_table(
        "rule_sets",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("authority_id", ID, nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["authority_id"], ["authorities.id"], name=op.f("fk_rule_sets_authority_id_authorities")
        ),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_rule_sets_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_sets")),
        sa.UniqueConstraint("network_id", "title", name=op.f("uq_rule_sets_network_id_title")),
    )
    _versions()
    _proposals()


def downgrade() -> None:
    """Take them away again: no rule counts then."""
    for table in ("rule_proposals", "rule_set_versions", "rule_sets"):
        op.drop_table(table)
    with op.batch_alter_table("facts") as facts:
        facts.drop_column("details")


def _versions() -> None:
    staff = ("proposed_by", "approved_by", "ended_by")
    op.create_table(
        "rule_set_versions",
        sa.Column("id", ID, nullable=False),
        sa.Column("rule_set_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("proposed_by", ID, nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("shadow", sa.JSON(), nullable=True),
        sa.Column("shadow_at", sa.BigInteger(), nullable=True),
        sa.Column("approved_by", ID, nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", ID, nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        *(
            sa.ForeignKeyConstraint([name], ["staff.id"], name=op.f(f"fk_rule_set_versions_{name}_staff"))
            for name in staff
        ),
        sa.ForeignKeyConstraint(
            ["rule_set_id"], ["rule_sets.id"], name=op.f("fk_rule_set_versions_rule_set_id_rule_sets")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set_versions")),
        sa.UniqueConstraint("rule_set_id", "number", name=op.f("uq_rule_set_versions_rule_set_id_number")),
    )
    op.create_index(op.f("ix_rule_set_versions_state"), "rule_set_versions", ["state"], unique=False)


def _proposals() -> None:
    others = {
        "version_id": "rule_set_versions",
        "person_id": "people",
        "basis_id": "bases",
        "decided_by": "staff",
        "entry_id": "entries",
    }
    op.create_table(
        "rule_proposals",
        sa.Column("id", ID, nullable=False),
        sa.Column("version_id", ID, nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("basis_id", ID, nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", ID, nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("entry_id", ID, nullable=True),
        *(
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=op.f(f"fk_rule_proposals_{name}_{table}"))
            for name, table in others.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_proposals")),
        sa.UniqueConstraint(
            "version_id", "rule", "person_id", name=op.f("uq_rule_proposals_version_id_rule_person_id")
        ),
    )
    op.create_index(op.f("ix_rule_proposals_person_id"), "rule_proposals", ["person_id"], unique=False)
    op.create_index(op.f("ix_rule_proposals_state"), "rule_proposals", ["state"], unique=False)
