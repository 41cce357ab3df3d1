"""The collector rests while the platform starts, and works again once it serves."""

import subprocess
import sys

RESUMED = """
import gc
from deploy import collector
collector.pause()
assert not gc.isenabled()
kept = [object() for _ in range(10)]
collector.resume()
assert gc.isenabled() and gc.get_freeze_count() > 0
"""


def test_a_paused_collector_works_again_after_the_start() -> None:
    subprocess.run([sys.executable, "-c", RESUMED], check=True)
