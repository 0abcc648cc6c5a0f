"""Store of the ledger: the protocol, and what keeps it in SQLite and PostgreSQL; an intent is there before its POST."""
