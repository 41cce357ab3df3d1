"""Speech from a text."""
