"""How Alembic is run by `waypass_server.migrations`: on the connection that it is given, and on no other."""

from alembic import context

from waypass_server.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot change a table in place; Alembic copies it then.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
