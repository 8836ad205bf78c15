"""What desks do to people: paper passes that they replace, and certificates that are withdrawn and come back.

A certificate is one fact that counts: one that was withdrawn keeps nobody from handing it in.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COUNTS = sa.text("withdrawn_at IS NULL")
KEPT = sa.text("withdrawn_at IS NOT NULL AND details IS NOT NULL")


def upgrade() -> None:
    """Make a table, and look for the same certificate among facts that count alone."""
    op.create_table(
        "replaced_papers",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=False),
        sa.Column("replaced_by", ID, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_replaced_papers_network_id_networks")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_replaced_papers_person_id_people")),
        sa.ForeignKeyConstraint(["replaced_by"], ["staff.id"], name=op.f("fk_replaced_papers_replaced_by_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replaced_papers")),
    )
    op.create_index(op.f("ix_replaced_papers_person_id"), "replaced_papers", ["person_id"], unique=False)
    op.create_index(op.f("ix_replaced_papers_at"), "replaced_papers", ["at"], unique=False)
    with op.batch_alter_table("facts") as facts:
        facts.drop_constraint(op.f("uq_facts_network_id_digest"), type_="unique")
    _guard_again()
    op.create_index(
        "ix_facts_digest",
        "facts",
        ["network_id", "digest"],
        unique=True,
        sqlite_where=COUNTS,
        postgresql_where=COUNTS,
    )
    op.create_index(
        "ix_facts_kept_details", "facts", ["valid_until"], unique=False, sqlite_where=KEPT, postgresql_where=KEPT
    )


def downgrade() -> None:
    """Take them away again. Of the facts of one certificate only the one that counts, or else the newest, still knows
    which it was."""
    op.drop_index("ix_facts_kept_details", "facts")
    op.drop_index("ix_facts_digest", "facts")
    op.execute(
        "UPDATE facts SET digest = NULL WHERE digest IS NOT NULL AND EXISTS (SELECT 1 FROM facts AS o"
        " WHERE o.network_id = facts.network_id AND o.digest = facts.digest"
        " AND (o.withdrawn_at IS NULL, o.id) > (facts.withdrawn_at IS NULL, facts.id))"
    )
    op.execute("UPDATE facts SET details = NULL WHERE withdrawn_at IS NOT NULL")
    with op.batch_alter_table("facts") as facts:
        facts.create_unique_constraint(op.f("uq_facts_network_id_digest"), ["network_id", "digest"])
    _guard_again()
    op.drop_table("replaced_papers")


def _guard_again() -> None:
    """SQLite made the table of facts anew, and its triggers went with the old one (`models.guards`)."""
    if op.get_bind().dialect.name != "sqlite":
        return
    for when in ("insert", "update"):
        op.execute(
            f"CREATE TRIGGER facts_guard_{when} BEFORE {when.upper()} ON facts WHEN TRUE BEGIN SELECT CASE"
            " WHEN NEW.weight NOT IN ('admits', 'yellow', 'none')"
            " THEN raise(ABORT, 'facts: expected a weight of yellow at most') END ; END"
        )
