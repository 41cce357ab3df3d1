"""A speaking figure: drawn, or from a picture."""
