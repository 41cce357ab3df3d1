"""Captions from what is said in a film or a sound."""
