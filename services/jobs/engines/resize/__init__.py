"""Pictures in another size."""
