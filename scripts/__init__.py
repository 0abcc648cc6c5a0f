"""What is run by hand, from a checkout."""
