"""Short loops from films and from pictures."""
