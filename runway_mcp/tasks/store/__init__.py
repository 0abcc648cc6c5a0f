"""Store of the ledger: its file, its formats and its rows; every intent is on disk before its POST."""
