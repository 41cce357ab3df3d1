#!/bin/sh
# One database and one role per service; a role can connect to nothing but its own. Runs once, on an empty volume.
set -eu
for name in accounts billing chat jobs community stripe_twin; do
  upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
  eval "password=\${${upper}_DATABASE_PASSWORD:?set ${upper}_DATABASE_PASSWORD}"
  psql -v ON_ERROR_STOP=1 -v name="$name" -v password="$password" --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING 'UTF8';
REVOKE CONNECT ON DATABASE :"name" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"name" TO :"name";
SQL
done
psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
SQL
