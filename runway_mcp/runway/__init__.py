"""Client of useapi.net's Runway API: its endpoints, its models and its errors."""
