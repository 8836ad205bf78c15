"""The public log: leaves that say nothing by themselves, what they commit to, and the checkpoints that were signed.

What the tables promise:

1. `log_leaves` is only ever added to, one number after the other for each network. The database itself refuses
   anything else, whoever asks: triggers on both databases, made with the table and by the migration.
2. `log_nodes` has the root of each whole subtree of 256, 256^2, .. leaves, as tiles need them; what is between is
   computed. It is only ever added to as well.
3. `log_trees` is the tree's frontier: its row is the lock under which leaves are added.
4. `log_openings` has record and salt of a leaf, for those who may see them. They are never changed, and are deleted to
   forget a person; the leaf stays, and says nothing any more.
5. `log_checkpoints` has what was signed, the newest note for each size.
"""

from sqlalchemy import DDL, ForeignKey, Index, LargeBinary, String, Text, event
from sqlalchemy.orm import Mapped, mapped_column

from waypass_server.models.base import ID, Base, Id, Seconds
from waypass_server.models.records import Event


class LogLeaf(Base):
    """A salted commitment; its number in the log is `idx`."""

    __tablename__ = "log_leaves"

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    idx: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=False)
    leaf: Mapped[bytes] = mapped_column(LargeBinary(32))


class LogNode(Base):
    """The hash over the leaves from `idx` * 256^level on, 256^level of them; `level` is 1 or more."""

    __tablename__ = "log_nodes"

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    level: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    idx: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class LogTree(Base):
    """How many leaves a network's log has, and the hashes that it takes to add one."""

    __tablename__ = "log_trees"

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    size: Mapped[int] = mapped_column(ID)
    hashes: Mapped[bytes] = mapped_column(LargeBinary)


class LogOpening(Base):
    """What a leaf commits to; `person_id` is whom it concerns, if anybody."""

    __tablename__ = "log_openings"
    __table_args__ = (Index("ix_log_openings_person_id_idx", "person_id", "idx"),)

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    idx: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=False)
    event_id: Mapped[int] = mapped_column(ID, ForeignKey("events.id"), unique=True)
    person_id: Mapped[int | None] = mapped_column(ID, ForeignKey("people.id"))
    salt: Mapped[bytes] = mapped_column(LargeBinary(16))
    record: Mapped[bytes] = mapped_column(LargeBinary)


class LogCheckpoint(Base):
    """A signed checkpoint, as it was published."""

    __tablename__ = "log_checkpoints"

    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"), primary_key=True)
    size: Mapped[int] = mapped_column(ID, primary_key=True, autoincrement=False)
    at: Mapped[Seconds]
    note: Mapped[str] = mapped_column(Text)


class KnownKey(Base):
    """An issuer key as the server saw it in its folder: for the public register, and so that each change is logged."""

    __tablename__ = "known_keys"
    __table_args__ = (Index("uq_known_keys_network_id_kid", "network_id", "kid", unique=True),)

    id: Mapped[Id]
    network_id: Mapped[int] = mapped_column(ID, ForeignKey("networks.id"))
    kid: Mapped[str] = mapped_column(String(16))
    public: Mapped[bytes] = mapped_column(LargeBinary(32))
    uses: Mapped[str] = mapped_column(String(100))
    nbf: Mapped[Seconds]
    exp: Mapped[Seconds]
    retired_at: Mapped[Seconds | None]
    trusted: Mapped[bool]
    seen_at: Mapped[Seconds]


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
        # Asked once a statement, not once a row: of each network the new numbers have no gap, follow the one before
        # them, and none is behind them.
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
TRIGGERS = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}
"""What makes the database keep promises 1, 2 and 4, by dialect and table."""


def _attach(*models: type[Base]) -> None:
    for model in models:
        table = Base.metadata.tables[model.__tablename__]
        for dialect, tables in TRIGGERS.items():
            for statement in tables[table.name]:
                made = DDL(statement.replace("%", "%%"))  # type: ignore[no-untyped-call]  # the library's own class
                event.listen(table, "after_create", made.execute_if(dialect=dialect))


_attach(LogLeaf, LogNode, LogOpening, Event)
