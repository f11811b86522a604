"""The report of a run: plots, tables and every finding, kept in the sync database."""
