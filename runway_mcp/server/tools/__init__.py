"""The tools: their records, what is derived from these, and their dispatch."""
