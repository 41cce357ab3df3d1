"""What the forum can do."""
