"""Follower of non-terminal tasks: reads each until its end, for all observers at once."""
