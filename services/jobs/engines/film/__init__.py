"""Films and sound: what they are, and what is made of them. Needs the engines' own packages."""
