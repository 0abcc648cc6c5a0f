"""A task's life: planned, priced, submitted once, written down, followed to its end. Knows no MCP."""
