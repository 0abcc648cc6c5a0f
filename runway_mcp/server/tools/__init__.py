"""The tools: their definitions, their dispatch, and the spend of a call."""
