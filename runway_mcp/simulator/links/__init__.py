"""Signed links and the files behind them, with the faults of both."""
