"""The platform as separate processes: one per service and role, Caddy in front, RabbitMQ between, no Docker."""
