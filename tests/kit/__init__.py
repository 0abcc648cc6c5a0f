"""What the tests of several packages stand on: one upstream, one clock, one way to a server, one to its processes."""
