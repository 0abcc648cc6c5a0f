"""What is seen of films and what is kept of them, on top of tasks and media."""
