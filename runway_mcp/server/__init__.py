"""The MCP server: tools, resources, prompts and transports. Only it and the demo's host speak MCP."""
