"""HTTP with upstream: connections, exchanges, and what an answer comes to."""
