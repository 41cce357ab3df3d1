"""What the affiliate programme can do."""
