"""Store of the ledger in PostgreSQL, for several machines; imported only where a database is named."""
