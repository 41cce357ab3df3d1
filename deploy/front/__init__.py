"""The front door: what a person sees when they open the platform in a browser."""
