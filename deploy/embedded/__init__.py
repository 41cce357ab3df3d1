"""Private servers that need no installation: Postgres, RabbitMQ and a browser, owned by whoever starts them."""
