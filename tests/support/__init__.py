"""What tests stand on: a real Postgres, runtimes, callers with real tokens, and factories that use the use cases."""
