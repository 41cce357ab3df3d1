"""Posters: palettes, procedural art, layouts and the engine that sets a prompt's words into them."""
