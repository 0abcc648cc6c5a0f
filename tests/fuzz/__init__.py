"""Thousands of generated bad requests against the real server: `python -m tests.fuzz --requests 10000 --seed 1`."""
