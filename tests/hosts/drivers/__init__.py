"""One program a client, each run by the Python or Node of that client's own environment."""
