"""What the calls of tools share: one call in progress, its spend, its files, its results."""
