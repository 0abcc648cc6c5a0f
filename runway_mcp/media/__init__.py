"""The film in hand: what a file really holds, and pictures of it. Knows neither MCP nor useapi.net."""
