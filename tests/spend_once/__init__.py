"""The contract of "spend once", held through tool calls alone."""
