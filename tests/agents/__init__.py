"""What agents read and hosts take, through real tool calls: definitions and results are all that they know."""
