"""The ledger: every intent, on disk before its POST."""
