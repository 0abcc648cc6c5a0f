"""Registers the server in the configurations of hosts, and takes exactly that back."""
