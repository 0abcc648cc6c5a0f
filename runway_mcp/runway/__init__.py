"""useapi.net's Runway API as Python: the client, what it answers, and what can go wrong."""
