"""The MCP face: tools, results and resources of the server. Knows tasks and upstream only through their rooms."""
