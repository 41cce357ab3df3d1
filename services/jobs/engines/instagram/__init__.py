"""Pictures for Instagram: posts, carousels, stories and reel covers."""
