"""Films on disk: kept whole, checked and named."""
