"""Imports and batches; the batch of an entry; the log's numbers looked at once a statement on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KIND = sa.Enum("entries", "facts", name="importkind", native_enum=False, length=40)
IMPORT_STATE = sa.Enum("running", "done", name="importstate", native_enum=False, length=40)
BATCH_STATE = sa.Enum(
    "reading", "proposed", "held", "approved", "ended", name="batchstate", native_enum=False, length=40
)
STEP = sa.Enum("hold", "approve", "end", name="batchstep", native_enum=False, length=40)
_WAITS = sa.text("delivered_at IS NULL")
_ONCE_A_STATEMENT = (
    "DROP FUNCTION log_leaves_in_order CASCADE",
    """CREATE OR REPLACE FUNCTION log_leaves_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT network_id, min(idx) AS first, max(idx) AS last, count(*) AS many
            FROM added GROUP BY network_id) AS each
        WHERE each.many <> each.last - each.first + 1
        OR each.last <> (SELECT max(idx) FROM log_leaves WHERE network_id = each.network_id)
        OR each.first <> coalesce((SELECT idx + 1 FROM log_leaves
            WHERE network_id = each.network_id AND idx < each.first ORDER BY idx DESC LIMIT 1), 0)
    ) THEN RAISE EXCEPTION 'log_leaves: expected the next number'; END IF;
    RETURN NULL; END $$""",
    """CREATE TRIGGER log_leaves_follow AFTER INSERT ON log_leaves REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION log_leaves_follow()""",
)
_ONCE_A_ROW = (
    "DROP FUNCTION log_leaves_follow CASCADE",
    """CREATE OR REPLACE FUNCTION log_leaves_in_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.idx <> (SELECT coalesce(max(idx) + 1, 0) FROM log_leaves WHERE network_id = NEW.network_id) THEN
        RAISE EXCEPTION 'log_leaves: expected the next number'; END IF;
    RETURN NEW; END $$""",
    """CREATE TRIGGER log_leaves_in_order BEFORE INSERT ON log_leaves
    FOR EACH ROW EXECUTE FUNCTION log_leaves_in_order()""",
)


def upgrade() -> None:
    """Two tables, a column, and indexes."""
    op.create_table(
        "imports",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("kind", KIND, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("state", IMPORT_STATE, nullable=False),
        sa.Column("rows", ID, nullable=False),
        sa.Column("added", ID, nullable=False),
        sa.Column("known", ID, nullable=False),
        sa.Column("refused", ID, nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_imports_network_id_networks")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_imports_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
        sa.UniqueConstraint("network_id", "kind", "digest", name=op.f("uq_imports_network_id_kind_digest")),
    )
    staff = ("proposed_by", "approved_by", "confirmed_by", "ended_by")
    op.create_table(
        "batches",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("import_id", ID, nullable=False),
        sa.Column("state", BATCH_STATE, nullable=False),
        sa.Column("entries", ID, nullable=False),
        sa.Column("proposed_by", ID, nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", ID, nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_by", ID, nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", ID, nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("step", STEP, nullable=True),
        sa.Column("reached", ID, nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_batches_network_id_networks")),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_batches_import_id_imports")),
        *(sa.ForeignKeyConstraint([name], ["staff.id"], name=op.f(f"fk_batches_{name}_staff")) for name in staff),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("import_id", name=op.f("uq_batches_import_id")),
    )
    op.create_index("ix_batches_network_id_state", "batches", ["network_id", "state"], unique=False)
    op.create_index(op.f("ix_batches_step"), "batches", ["step"], unique=False)
    with op.batch_alter_table("entries") as entries:
        entries.add_column(sa.Column("batch_id", ID, nullable=True))
        entries.create_foreign_key(op.f("fk_entries_batch_id_batches"), "batches", ["batch_id"], ["id"])
        entries.create_index("ix_entries_batch_id_id", ["batch_id", "id"], unique=False)
    op.drop_index("ix_notices_delivered_at_id", "notices")
    op.create_index("ix_notices_waiting", "notices", ["id"], sqlite_where=_WAITS, postgresql_where=_WAITS)
    _on_postgresql(_ONCE_A_STATEMENT)


def downgrade() -> None:
    """Take them away again. Entries that came in a batch stand alone then."""
    _on_postgresql(_ONCE_A_ROW)
    op.drop_index("ix_notices_waiting", "notices")
    op.create_index("ix_notices_delivered_at_id", "notices", ["delivered_at", "id"], unique=False)
    with op.batch_alter_table("entries") as entries:
        entries.drop_index("ix_entries_batch_id_id")
        entries.drop_constraint(op.f("fk_entries_batch_id_batches"), type_="foreignkey")
        entries.drop_column("batch_id")
    for table in ("batches", "imports"):
        op.drop_table(table)


def _on_postgresql(statements: tuple[str, ...]) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in statements:
            op.execute(statement)
