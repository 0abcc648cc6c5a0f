"""Results on the wire: structured content, and the text that tells the same."""
