"""The store in SQLite: one file on a local disk."""
