"""The public log: leaves, nodes, frontier, openings, checkpoints, and the keys that the server has seen.

Events that were written before have no leaf yet; `waypass-server migrate` adds them (`publiclog.store.catch_up`).
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SQLITE = {
    "log_leaves": (
        """CREATE TRIGGER log_leaves_in_order BEFORE INSERT ON log_leaves
        WHEN NEW.idx <> (SELECT coalesce(max(idx) + 1, 0) FROM log_leaves WHERE network_id = NEW.network_id)
        BEGIN SELECT raise(ABORT, 'log_leaves: expected the next number'); END""",
        """CREATE TRIGGER log_leaves_no_update BEFORE UPDATE ON log_leaves
        BEGIN SELECT raise(ABORT, 'log_leaves: the log is only ever added to'); END""",
        """CREATE TRIGGER log_leaves_no_delete BEFORE DELETE ON log_leaves
        BEGIN SELECT raise(ABORT, 'log_leaves: the log is only ever added to'); END""",
    ),
    "log_nodes": (
        """CREATE TRIGGER log_nodes_once BEFORE INSERT ON log_nodes
        WHEN EXISTS (SELECT 1 FROM log_nodes
            WHERE network_id = NEW.network_id AND level = NEW.level AND idx = NEW.idx)
        BEGIN SELECT raise(ABORT, 'log_nodes: the log is only ever added to'); END""",
        """CREATE TRIGGER log_nodes_no_update BEFORE UPDATE ON log_nodes
        BEGIN SELECT raise(ABORT, 'log_nodes: the log is only ever added to'); END""",
        """CREATE TRIGGER log_nodes_no_delete BEFORE DELETE ON log_nodes
        BEGIN SELECT raise(ABORT, 'log_nodes: the log is only ever added to'); END""",
    ),
    "log_openings": (
        """CREATE TRIGGER log_openings_no_update BEFORE UPDATE ON log_openings
        BEGIN SELECT raise(ABORT, 'log_openings: a record is never changed'); END""",
    ),
    "events": (
        """CREATE TRIGGER events_no_update BEFORE UPDATE ON events
        BEGIN SELECT raise(ABORT, 'events: the log is only ever added to'); END""",
    ),
}
# A function for each table, dropped with nothing else: `CREATE OR REPLACE` lets schemas be made twice in tests.
_POSTGRESQL = {
    "log_leaves": (
        """CREATE OR REPLACE FUNCTION log_leaves_in_order() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.idx <> (SELECT coalesce(max(idx) + 1, 0) FROM log_leaves WHERE network_id = NEW.network_id) THEN
            RAISE EXCEPTION 'log_leaves: expected the next number'; END IF;
        RETURN NEW; END $$""",
        """CREATE TRIGGER log_leaves_in_order BEFORE INSERT ON log_leaves
        FOR EACH ROW EXECUTE FUNCTION log_leaves_in_order()""",
        """CREATE OR REPLACE FUNCTION log_leaves_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'log_leaves: the log is only ever added to'; END $$""",
        """CREATE TRIGGER log_leaves_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON log_leaves
        FOR EACH STATEMENT EXECUTE FUNCTION log_leaves_keep()""",
    ),
    "log_nodes": (
        """CREATE OR REPLACE FUNCTION log_nodes_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'log_nodes: the log is only ever added to'; END $$""",
        """CREATE TRIGGER log_nodes_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON log_nodes
        FOR EACH STATEMENT EXECUTE FUNCTION log_nodes_keep()""",
    ),
    "log_openings": (
        """CREATE OR REPLACE FUNCTION log_openings_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'log_openings: a record is never changed'; END $$""",
        """CREATE TRIGGER log_openings_keep BEFORE UPDATE ON log_openings
        FOR EACH STATEMENT EXECUTE FUNCTION log_openings_keep()""",
    ),
    "events": (
        """CREATE OR REPLACE FUNCTION events_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'events: the log is only ever added to'; END $$""",
        """CREATE TRIGGER events_keep BEFORE UPDATE OR TRUNCATE ON events
        FOR EACH STATEMENT EXECUTE FUNCTION events_keep()""",
    ),
}


def upgrade() -> None:
    """Make the tables and the triggers that keep them."""
    _leaves()
    _around()
    dialect = op.get_bind().dialect.name
    for statements in (_SQLITE if dialect == "sqlite" else _POSTGRESQL).values():
        for statement in statements:
            op.execute(statement)


def _leaves() -> None:
    op.create_table(
        "log_leaves",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("idx", ID, autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_log_leaves_network_id_networks")),
        sa.PrimaryKeyConstraint("network_id", "idx", name=op.f("pk_log_leaves")),
    )
    op.create_table(
        "log_nodes",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("idx", ID, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_log_nodes_network_id_networks")),
        sa.PrimaryKeyConstraint("network_id", "level", "idx", name=op.f("pk_log_nodes")),
    )
    op.create_table(
        "log_openings",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("idx", ID, autoincrement=False, nullable=False),
        sa.Column("event_id", ID, nullable=False),
        sa.Column("person_id", ID, nullable=True),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_log_openings_event_id_events")),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_log_openings_network_id_networks")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_log_openings_person_id_people")),
        sa.PrimaryKeyConstraint("network_id", "idx", name=op.f("pk_log_openings")),
        sa.UniqueConstraint("event_id", name=op.f("uq_log_openings_event_id")),
    )
    op.create_index("ix_log_openings_person_id_idx", "log_openings", ["person_id", "idx"], unique=False)


def _around() -> None:
    op.create_table(
        "log_trees",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("size", ID, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_log_trees_network_id_networks")),
        sa.PrimaryKeyConstraint("network_id", name=op.f("pk_log_trees")),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("network_id", ID, nullable=False),
        sa.Column("size", ID, autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_log_checkpoints_network_id_networks")),
        sa.PrimaryKeyConstraint("network_id", "size", name=op.f("pk_log_checkpoints")),
    )
    op.create_table(
        "known_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("network_id", ID, nullable=False),
        sa.Column("kid", sa.String(length=16), nullable=False),
        sa.Column("public", sa.LargeBinary(length=32), nullable=False),
        sa.Column("uses", sa.String(length=100), nullable=False),
        sa.Column("nbf", sa.BigInteger(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("trusted", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["network_id"], ["networks.id"], name=op.f("fk_known_keys_network_id_networks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_keys")),
    )
    op.create_index("uq_known_keys_network_id_kid", "known_keys", ["network_id", "kid"], unique=True)


def downgrade() -> None:
    """Take the public log away: what was published of it can then no longer be proved."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER events_no_update")
    else:
        op.execute("DROP FUNCTION events_keep CASCADE")
    for table in ("known_keys", "log_checkpoints", "log_trees", "log_openings", "log_nodes", "log_leaves"):
        op.drop_table(table)
