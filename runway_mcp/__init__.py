"""Extends Runway videos by conversation: an MCP server for the useapi.net Runway API."""

__version__ = "0.1.0"
