#!/bin/sh
# The part of the official image's contract that docker-compose.yml relies on: a default user from the environment.
set -eu
mkdir -p /etc/rabbitmq/conf.d
cat > /etc/rabbitmq/conf.d/10-defaults.conf <<CONF
default_user = $RABBITMQ_DEFAULT_USER
default_pass = $RABBITMQ_DEFAULT_PASS
loopback_users = none
CONF
chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
exec rabbitmq-server
