"""Ten conversations, from a person's wish to its end, by a host that knows only what it was told."""
