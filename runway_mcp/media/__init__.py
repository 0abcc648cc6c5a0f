"""Film files: what one really holds, and pictures of it. Knows neither MCP nor useapi.net."""
