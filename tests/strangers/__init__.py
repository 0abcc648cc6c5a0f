"""Strangers and a hostile upstream, against the real program."""
