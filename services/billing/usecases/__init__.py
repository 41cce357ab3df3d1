"""What billing can do. One function each; none of them commits."""
