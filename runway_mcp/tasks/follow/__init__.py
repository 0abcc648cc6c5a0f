"""Follows unfinished tasks to their end."""
