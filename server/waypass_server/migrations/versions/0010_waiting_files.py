"""Files that wait to be imported from the console, in parts."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KIND = sa.Enum("entries", "facts", name="importkind", native_enum=False, length=40)


def upgrade() -> None:
    """Make two tables."""
    op.create_table(
        "waiting_files",
        sa.Column("id", ID, nullable=False),
        sa.Column("staff_id", ID, nullable=False),
        sa.Column("kind", KIND, nullable=False),
        sa.Column("form", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", ID, nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_waiting_files_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waiting_files")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_waiting_files_staff_id"), "waiting_files", ["staff_id"], unique=False)
    op.create_index(op.f("ix_waiting_files_at"), "waiting_files", ["at"], unique=False)
    op.create_table(
        "waiting_file_parts",
        sa.Column("file_id", ID, nullable=False),
        sa.Column("number", ID, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["waiting_files.id"], name=op.f("fk_waiting_file_parts_file_id_waiting_files")
        ),
        sa.PrimaryKeyConstraint("file_id", "number", name=op.f("pk_waiting_file_parts")),
    )


def downgrade() -> None:
    """Take them away again."""
    op.drop_table("waiting_file_parts")
    op.drop_table("waiting_files")
