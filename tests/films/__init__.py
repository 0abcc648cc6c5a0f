"""Tests of films: seen, and kept."""
