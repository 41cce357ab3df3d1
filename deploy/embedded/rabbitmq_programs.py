"""Where RabbitMQ's programs come from: the installed package, or the same package unpacked without root."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.embedded.debian_packages import PackagesUnavailable, cache_folder, unpack

# Not /usr/sbin/rabbitmq-server: Debian's wrapper there changes user and works on the system's broker.
INSTALLED = Path("/usr/lib/rabbitmq/bin")


class RabbitUnavailable(Exception):
    """No RabbitMQ can be started here; the message says what to install or change."""


@dataclass(frozen=True)
class RabbitPrograms:
    """The folder with `rabbitmq-server` and `rabbitmqctl`, and Erlang's folder when it is not the system's."""

    folder: Path
    erlang: Path | None = None

    def erl_script(self) -> str:
        """Return an `erl` for an Erlang that was moved: the distribution's own has its place written into it."""
        assert self.erlang is not None
        runtime = next(self.erlang.glob("erts-*"))
        return (
            "#!/bin/sh\n"
            f"ROOTDIR='{self.erlang}' BINDIR='{runtime}/bin' EMU=beam PROGNAME=erl\n"
            "export ROOTDIR BINDIR EMU PROGNAME\n"
            'exec "$BINDIR/erlexec" ${1+"$@"}\n'
        )


def find_programs() -> RabbitPrograms:
    """Prefer the installed package, else unpack one into the cache; raise RabbitUnavailable when neither can be had."""
    if (INSTALLED / "rabbitmq-server").exists() and shutil.which("erl"):
        return RabbitPrograms(INSTALLED)
    return unpack_programs(cache_folder())


def unpack_programs(cache: Path) -> RabbitPrograms:
    """Unpack 34 MB of packages below `cache`, about 10 s the first time; needs apt-get but neither root nor Erlang."""
    try:
        root = unpack("rabbitmq-server", _belongs_to_rabbitmq, cache / "rabbitmq")
    except PackagesUnavailable as error:
        raise RabbitUnavailable(
            f"no RabbitMQ here, and its packages could not be unpacked ({error}): run "
            "`apt-get install --no-install-recommends rabbitmq-server`, `dnf install rabbitmq-server` or "
            "`brew install rabbitmq`, or set AMQP_URL to a broker you already have"
        ) from error
    servers = list(root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))
    if not servers:
        raise RabbitUnavailable(f"{root} is not whole: remove it and start again")
    return RabbitPrograms(servers[0], root / "usr" / "lib" / "erlang")


def _belongs_to_rabbitmq(package: str) -> bool:
    return package == "rabbitmq-server" or package.startswith("erlang-")
