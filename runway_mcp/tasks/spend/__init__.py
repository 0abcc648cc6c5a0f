"""Spends once: plan, submit, reconcile."""
