"""How many people may be worsened: sums, limits and alarms; and entries that a third person confirmed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LEVEL = sa.Enum("basis", "authority", "network", name="level", native_enum=False, length=40)
WINDOW = sa.Enum("day", "month", name="window", native_enum=False, length=40)


def upgrade() -> None:
    """Three tables, a column and an index."""
    op.create_table(
        "worsened_sums",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("level", LEVEL, nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("bucket", sa.BigInteger(), nullable=False),
        sa.Column("people", ID, nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_worsened_sums_network_id_networks")),
        sa.PrimaryKeyConstraint("network_id", "level", "subject_id", "bucket", name=op.f("pk_worsened_sums")),
    )
    op.create_table(
        "limit_changes",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("level", LEVEL, nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("window", WINDOW, nullable=False),
        sa.Column("value", ID, nullable=False),
        sa.Column("before", ID, nullable=False),
        sa.Column("proposed_by", ID, nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("second_by", ID, nullable=True),
        sa.Column("second_at", sa.BigInteger(), nullable=True),
        sa.Column("third_by", ID, nullable=True),
        sa.Column("third_at", sa.BigInteger(), nullable=True),
        sa.Column("in_force_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_limit_changes_network_id_networks")),
        sa.ForeignKeyConstraint(["proposed_by"], ["staff.id"], name=op.f("fk_limit_changes_proposed_by_staff")),
        sa.ForeignKeyConstraint(["second_by"], ["staff.id"], name=op.f("fk_limit_changes_second_by_staff")),
        sa.ForeignKeyConstraint(["third_by"], ["staff.id"], name=op.f("fk_limit_changes_third_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_limit_changes")),
    )
    op.create_index(
        "ix_limit_changes_subject", "limit_changes", ["network_id", "level", "subject_id", "window"], unique=False
    )
    op.create_table(
        "alarms",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("level", LEVEL, nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.Column("window", WINDOW, nullable=False),
        sa.Column("people", ID, nullable=False),
        sa.Column("limit", ID, nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_alarms_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    op.create_index("ix_alarms_network_id_at", "alarms", ["network_id", "at"], unique=False)
    with op.batch_alter_table("entries") as entries:
        entries.add_column(sa.Column("confirmed_by", ID, nullable=True))
        entries.create_foreign_key(op.f("fk_entries_confirmed_by_staff"), "staff", ["confirmed_by"], ["id"])
        entries.create_index(op.f("ix_entries_approved_at"), ["approved_at"], unique=False)


def downgrade() -> None:
    """Take them away again. Entries that are held become proposals."""
    op.execute("UPDATE entries SET state = 'proposed', approved_by = NULL, approved_at = NULL WHERE state = 'held'")
    with op.batch_alter_table("entries") as entries:
        entries.drop_index(op.f("ix_entries_approved_at"))
        entries.drop_constraint(op.f("fk_entries_confirmed_by_staff"), type_="foreignkey")
        entries.drop_column("confirmed_by")
    for table in ("alarms", "limit_changes", "worsened_sums"):
        op.drop_table(table)
