"""The formats of configurations, changed by edits that leave every other byte alone."""
