"""Updates: who observes which task or resource, and how each is told."""
