"""Short vertical films from a script and pictures."""
