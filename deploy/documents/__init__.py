"""Documents made from the service manifests: pure functions from manifests to text."""
