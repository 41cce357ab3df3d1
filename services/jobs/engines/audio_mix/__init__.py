"""Several sounds become one, each at its time and its level."""
