"""The official suites and a probe, held to the real server: `python -m tests.suites`."""
