"""The zero-install mode: all five services in one process on an embedded Postgres, without a broker."""
