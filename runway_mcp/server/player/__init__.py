"""The player: the page on which hosts of MCP Apps show an extension."""
