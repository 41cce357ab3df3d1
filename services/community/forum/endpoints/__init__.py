"""HTTP in, for the forum."""
