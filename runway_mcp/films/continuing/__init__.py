"""Continuing: a clip or film goes on from its last frame, and all its parts become one film."""
