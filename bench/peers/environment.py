"""An environment of their own for the peers, and their scripts, which print one number."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv-peers"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK = ROOT / "requirements-peers.lock"


def install() -> None:
    """Bring the environment up to the lock: some 50 packages at first."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    pip = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", LOCK], check=True)


def run(script: str, *arguments: str) -> float:
    """What a script beside this file prints. What it says of failures goes to our own standard error."""
    command = [PYTHON, Path(__file__).with_name(script), *arguments]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
