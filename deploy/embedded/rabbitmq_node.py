"""The files of a private RabbitMQ node: its ports, configuration, cookie and environment."""

import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from deploy.embedded.processes import same_port
from deploy.embedded.rabbitmq_programs import RabbitPrograms

HOST = "127.0.0.1"
USER = "atelier"
# Nodes of one name do not meet: each has its own distribution port and no epmd tells it to the others.
NODE_NAME = "atelier@localhost"
PLUGINS = "[rabbitmq_management,rabbitmq_prometheus].\n"
CONFIGURATION = """\
listeners.tcp.1 = {host}:{port}
management.tcp.ip = {host}
management.tcp.port = {management_port}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {metrics_port}
default_user = {user}
default_pass = {password}
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 64MB
log.console = false
log.file.level = info
raft.wal_max_size_bytes = 33554432
"""


@dataclass(frozen=True)
class NodeState:
    """What must outlive a restart, so that clients find the broker again where it was."""

    port: int
    distribution_port: int
    management_port: int
    metrics_port: int
    password: str
    pid: int = 0
    management: bool = False
    complete: bool = False


@dataclass(frozen=True)
class NodeFiles:
    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def log(self) -> Path:
        return self.folder / "log" / "start.log"

    def state(self) -> NodeState | None:
        try:
            return NodeState(**json.loads((self.folder / "node.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def save(self, state: NodeState) -> None:
        unfinished = self.folder / "node.json.tmp"
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(asdict(state)))
        unfinished.replace(self.folder / "node.json")

    def prepare(self, state: NodeState, programs: RabbitPrograms) -> None:
        if not state.complete:
            # A first start that was killed may have left a database without our user in it.
            shutil.rmtree(self.folder / "mnesia", ignore_errors=True)
        for name in ("home", "log", "mnesia", "bin"):
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        self._write("rabbitmq.conf", CONFIGURATION.format(host=HOST, user=USER, **asdict(state)))
        self._write("advanced.config", "[].\n")
        self._write("enabled_plugins", PLUGINS if state.management else "[].\n")
        self._write("home/.erlang.cookie", secrets.token_hex(20), mode=0o400)
        if programs.erlang:
            self._write("bin/erl", programs.erl_script(), mode=0o700)

    def environment(self, state: NodeState) -> dict[str, str]:
        """Return everything the node's scripts read, so that nothing of a system-wide broker is read or written."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        port = state.distribution_port
        paths = {
            "HOME": "home",
            "RABBITMQ_CONF_ENV_FILE": "none.conf",
            "RABBITMQ_CONFIG_FILE": "rabbitmq.conf",
            "RABBITMQ_ADVANCED_CONFIG_FILE": "advanced.config",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": "mnesia",
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_PID_FILE": "pid",
            "RABBITMQ_GENERATED_CONFIG_DIR": "generated",
            "RABBITMQ_SCHEMA_DIR": "schema",
            "RABBITMQ_FEATURE_FLAGS_FILE": "mnesia/feature_flags",
            "ERL_CRASH_DUMP": "log/erl_crash.dump",
        }
        return {
            **inherited,
            **{name: str(self.folder / path) for name, path in paths.items()},
            "PATH": f"{self.folder / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "RABBITMQ_NODENAME": NODE_NAME,
            "RABBITMQ_NODE_PORT": str(state.port),
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_DIST_PORT": str(port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-sname {NODE_NAME} -start_epmd false -erl_epmd_port {port} "
            "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_CTL_ERL_ARGS": f"-start_epmd false -erl_epmd_port {port} -dist_listen false",
        }

    def _write(self, name: str, text: str, mode: int = 0o600) -> None:
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(text)
        path.chmod(mode)


def next_state(last: NodeState | None, *, management: bool) -> NodeState:
    """Keep the ports of the last run where they are still free."""
    if last is None:
        last = NodeState(0, 0, 0, 0, secrets.token_urlsafe(24))
    return replace(
        last,
        management=management,
        port=same_port(last.port),
        distribution_port=same_port(last.distribution_port),
        management_port=same_port(last.management_port),
        metrics_port=same_port(last.metrics_port),
    )
