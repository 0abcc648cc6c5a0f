"""Real clients and frameworks against the real server on the stand-in: `python -m tests.hosts`."""
