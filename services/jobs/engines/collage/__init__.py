"""Several pictures on one sheet."""
