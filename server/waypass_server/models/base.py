"""The ground of all tables: naming of constraints, and the column types that both databases share.

Times are whole UNIX seconds. Ids are 64-bit integers; on SQLite they are written `INTEGER`, the only type that it
counts up by itself. A closed set is stored as its text, without a constraint of the database, so that a new member
needs no migration.
"""

from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, Enum, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, mapped_column

ID = BigInteger().with_variant(Integer, "sqlite")

Id = Annotated[int, mapped_column(ID, primary_key=True)]
"""A primary key that counts up."""
Seconds = Annotated[int, mapped_column(BigInteger)]
"""A time in UNIX seconds."""


class Base(DeclarativeBase):
    """The root of every model."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def stored(kind: type[StrEnum]) -> Enum:
    """The column type of a closed set."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=40,
        values_callable=lambda members: [member.value for member in members],
        name=kind.__name__.lower(),
    )
