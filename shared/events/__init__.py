"""The event backbone: outbox, relay, transports, inbox and worker."""
