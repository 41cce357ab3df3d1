"""Memes: drawn templates, caption layouts, and the engine that puts the two together."""
