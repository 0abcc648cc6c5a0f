"""Pictures of films, for models and people."""
