"""Store of the ledger: the protocol, and its implementation in SQLite; every intent is kept before its POST."""
