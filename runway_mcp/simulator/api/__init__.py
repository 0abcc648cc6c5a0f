"""The API as upstream speaks it: endpoints, what they take, and what they answer."""
