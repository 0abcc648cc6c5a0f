"""The resources: listed, read and subscribed to."""
