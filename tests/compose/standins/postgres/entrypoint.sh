#!/bin/sh
# The part of the official image's contract that docker-compose.yml relies on: first start, init scripts, a superuser.
set -eu
PGDATA=/var/lib/postgresql/18/docker
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres /var/lib/postgresql
  printf '%s' "$POSTGRES_PASSWORD" > /tmp/password
  chown postgres /tmp/password
  as_postgres initdb -D "$PGDATA" -U postgres --encoding UTF8 --locale C.UTF-8 --auth-local trust --auth-host scram-sha-256 --pwfile /tmp/password
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  as_postgres pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -k /tmp" start
  for script in /docker-entrypoint-initdb.d/*.sh; do
    as_postgres env POSTGRES_USER=postgres PGHOST=/tmp sh "$script"
  done
  as_postgres pg_ctl -D "$PGDATA" -w stop
fi
exec setpriv --reuid postgres --regid postgres --clear-groups postgres -D "$PGDATA" -c listen_addresses='*' -k /tmp
