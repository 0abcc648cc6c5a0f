"""Observers of tasks, and notifications of changed resources."""
