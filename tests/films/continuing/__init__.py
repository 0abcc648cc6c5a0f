"""Continuing: each step once, whatever is lost or killed."""
