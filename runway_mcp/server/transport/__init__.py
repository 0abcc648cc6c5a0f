"""The transports: stdio, streamable HTTP and HTTP+SSE."""
