"""A process that owns one embedded server, so that tests can kill it, or run it as somebody else.

Prints one line of JSON about the server, or the error, then waits: a line on stdin stops the server and ends.
"""

import argparse
import encodings.idna  # noqa: F401 - read on the first connection, when it may no longer be readable
import json
import os
import sys
from pathlib import Path

from deploy.embedded.postgres import Account, PostgresUnavailable, start_postgres
from deploy.embedded.rabbitmq import RabbitUnavailable, start_rabbitmq
from deploy.embedded.rabbitmq_programs import unpack_programs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["postgres", "rabbitmq"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--account", type=int)
    parser.add_argument("--unpack", type=Path)
    options = parser.parse_args()
    if options.uid is not None:
        become(options.uid)
    try:
        server = start(options)
    except (PostgresUnavailable, RabbitUnavailable) as error:
        report(error=str(error))
        return
    url = server.url() if options.kind == "postgres" else server.url
    report(pid=server.pid, url=url, attached=server.attached)
    sys.stdin.readline()
    server.stop()


def become(uid: int) -> None:
    """Everything is imported by now: the other user may not be able to read this interpreter's files."""
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    os.environ["HOME"] = "/nonexistent"


def start(options):
    if options.kind == "rabbitmq":
        programs = unpack_programs(options.unpack) if options.unpack else None
        return start_rabbitmq(options.folder, programs=programs)
    account = None if options.account is None else Account(uid=options.account)
    return start_postgres(options.folder, account=account)


def report(**facts) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
