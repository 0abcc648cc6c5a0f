"""Benchmarks of a hosted server: CPU per call, several servers on one database, open streams, a soak."""
