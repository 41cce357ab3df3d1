#!/usr/bin/env bash
# `docker compose up`, a creator's journey against it, the isolation of the databases, and `down`, in a network of its own.
set -euo pipefail
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/containers/networks
ip link set lo up
podman rm -af >/dev/null 2>&1 || true
podman volume rm -af >/dev/null 2>&1 || true
podman network prune -f >/dev/null 2>&1 || true
rm -f "${DOCKER_HOST#unix://}"
podman system service -t 0 "$DOCKER_HOST" 2>/dev/null &
until [ -S "${DOCKER_HOST#unix://}" ]; do sleep 0.1; done
# podman leaves the timing of health checks to systemd, which is not here.
(while true; do for each in $(podman ps -q); do podman healthcheck run "$each" >/dev/null 2>&1 || true; done; sleep 1; done) &

compose() { "$TOOLS/docker-compose" --progress plain "$@"; }
in_postgres() { podman exec -e PGPASSWORD="local-$1" atelier-postgres-1 psql -h 127.0.0.1 -U "$1" -d "$2" -c "SELECT 1"; }

compose up -d --no-build --wait --wait-timeout 240
./atelier demo --operator "$TOOLS/docker-compose run --rm -T operator"
"$TOOLS/docker-compose" run --rm -T operator bus lag

podman exec atelier-rabbitmq-1 rabbitmqctl version | grep -q '^4\.'
in_postgres billing billing
if in_postgres billing accounts; then echo "billing can read accounts"; exit 1; fi
for each in accounts billing chat jobs community runner front; do
  test "$(podman exec "atelier-$each-1" id -u)" = 10001
  if podman exec "atelier-$each-1" sh -c 'echo x > /app/x' 2>/dev/null; then echo "$each can write its code"; exit 1; fi
done
compose up -d --no-build --no-recreate --scale runner=2 --wait --wait-timeout 120
test "$(podman ps --format '{{.Names}}' | grep -c runner)" = 2
compose down -v --timeout 20
test -z "$(podman ps -q)"
