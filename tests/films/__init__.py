"""Tests of films: chains, and what is read of them."""
