"""Runs migrations over the connection that `migrate` hands in."""

from alembic import context

from homestow.server.adapters.catalogue_sql.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
