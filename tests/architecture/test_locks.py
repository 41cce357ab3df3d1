"""What may stand in a lock: pinned releases and their hashes, no place they come from."""

import pytest

from deploy.cli.develop import LOCK_LINE


@pytest.mark.parametrize(
    "line",
    [
        "aio-pika==10.2.1 \\",
        "uvloop==0.23.0 ; sys_platform != 'win32' \\",
        "sqlalchemy[asyncio]==2.1.9",
        f"    --hash=sha256:{'a' * 64}",
        "    # via atelier (pyproject.toml:dev)",
        "",
    ],
)
def test_a_pinned_release_its_hashes_and_comments_may_stand_in_a_lock(line):
    assert LOCK_LINE.fullmatch(line)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url packages.example",
        "--find-links /srv/wheels",
        "-e .",
        "flask @ file:///srv/flask.whl",
        "flask>=3",
        f"    --hash=md5:{'a' * 32}",
        "    # from //packages.example/flask",
    ],
)
def test_places_loose_versions_and_weak_hashes_may_not(line):
    assert not LOCK_LINE.fullmatch(line)
