"""The catalogue in SQLite: one file in WAL mode, plain prepared statements, migrations in a process of their own.

Public: ``database.Database`` (opening, connections, transactions) and ``catalogue.SqlCatalogue``.
"""
