"""Signed links: where they may lead, and what they give."""
