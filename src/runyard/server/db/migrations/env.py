"""Alembic's entry point; `db.migrate` gives it an open connection inside a transaction."""

from alembic import context

from runyard.server.db.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
