"""`python -m deploy.processes.healthcheck`: exit 0 when this container's service is ready. Needs no shell, no curl."""

import os
import sys
import urllib.request

TIMEOUT_SECONDS = 3


def main() -> None:
    port = os.environ.get("PORT", "8000")
    path = os.environ.get("HEALTH_PATH", "/readyz")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_SECONDS) as answer:
            sys.exit(0 if answer.status == 200 else 1)  # noqa: PLR2004
    except OSError:
        sys.exit(1)


if __name__ == "__main__":
    main()
