"""Opens one file from a stranger under tight limits: `python -m services.jobs.probing PATH CONTENT_TYPE`."""

import hashlib
import resource
import sys
from pathlib import Path
from typing import Any

import orjson

from services.jobs.engines import extras
from services.jobs.engines.film.probing import KINDS, probe_film
from services.jobs.engines.media import probe_image
from services.jobs.engines.protocol import InvalidInput

MEMORY_BYTES = 2 * 1024**3
CPU_SECONDS = 15


def main(path: Path, content_type: str) -> dict[str, Any]:
    limits = {resource.RLIMIT_AS: MEMORY_BYTES, resource.RLIMIT_CPU: CPU_SECONDS, resource.RLIMIT_FSIZE: 0}
    for kind, bound in limits.items():
        resource.setrlimit(kind, (bound, bound))
    try:
        described = _probe(path, content_type)
    except InvalidInput as refused:
        return {"refused": refused.code, "message": refused.message}
    with path.open("rb") as source:
        return {"sha256": hashlib.file_digest(source, "sha256").hexdigest(), "media": described}


def _probe(path: Path, content_type: str) -> dict[str, Any]:
    if content_type not in KINDS:
        return probe_image(path, content_type)
    extras.join()
    return probe_film(path, content_type)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(main(Path(sys.argv[1]), sys.argv[2])))
