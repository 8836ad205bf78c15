"""Status lists that end: blocks of used indexes instead of a row for each, what has ended, and compact snapshots."""

from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
BLOCKS, BLOCK = 1024, 1024


def upgrade() -> None:
    """The new table is filled from what was used: by passes, by forgotten ones, and as decoys."""
    op.create_table(
        "status_blocks",
        sa.Column("list_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("free", sa.Integer(), nullable=False),
        sa.Column("used", sa.LargeBinary(length=128), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_blocks_list_id_status_lists")),
        sa.PrimaryKeyConstraint("list_id", "number", name=op.f("pk_status_blocks")),
    )
    # Added in place: SQLite's other way, a copy of the table, is refused where rows of others refer to it.
    op.add_column("status_lists", sa.Column("ended_at", sa.BigInteger(), nullable=True))
    op.add_column("status_lists", sa.Column("cleared", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("status_snapshots", sa.Column("compact", sa.LargeBinary(), nullable=True))
    _fill()
    op.drop_table("used_indexes")


def downgrade() -> None:
    """There is no way back: what was used is not kept in rows any more."""
    raise NotImplementedError("expected to stay at form 0003 or later; restore a copy to go back")


def _fill() -> None:
    connection = op.get_bind()
    blocks = sa.table("status_blocks", *map(sa.column, ("list_id", "number", "free", "used")))
    for list_id in connection.execute(sa.text("SELECT id FROM status_lists")).scalars().all():
        used: dict[int, int] = defaultdict(int)
        for table in ("passes", "used_indexes", "status_decoys"):
            rows = connection.execute(sa.text(f"SELECT idx FROM {table} WHERE list_id = :id"), {"id": list_id})  # noqa: S608
            for idx in rows.scalars():
                used[idx // BLOCK] |= 1 << idx % BLOCK
        connection.execute(
            blocks.insert(),
            [
                {
                    "list_id": list_id,
                    "number": number,
                    "free": BLOCK - used[number].bit_count(),
                    "used": used[number].to_bytes(BLOCK // 8, "little"),
                }
                for number in range(BLOCKS)
            ],
        )
