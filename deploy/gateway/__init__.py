"""The gateway of every topology but the one-process one: Caddy, configured from the manifests."""
