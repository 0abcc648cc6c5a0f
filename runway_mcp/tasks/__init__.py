"""Life of a task: planned, priced, submitted once, recorded, followed to its end; knows no MCP."""
