"""Several films made one, and the proof of it."""
