#!/usr/bin/env bash
# Builds the images as `docker compose build` does, one after the other: they share their layers.
set -euo pipefail
podman system service -t 0 "$DOCKER_HOST" &
engine=$!
trap 'kill $engine' EXIT
until [ -S "${DOCKER_HOST#unix://}" ]; do sleep 0.1; done
for service in accounts billing chat jobs community operator; do
  "$TOOLS/docker-compose" --profile operator --progress plain build "$service"
done
