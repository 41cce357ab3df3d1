"""What others would use in our place, in an environment of its own, beside ours in the same run."""
