"""Filling the engines' folder: all or nothing, and once however many try."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.engines import install as installer
from deploy.engines.behind import installing_behind
from services.jobs.engines import extras


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(extras.FOLDER_VARIABLE, str(tmp_path / "engines"))
    return tmp_path / "engines"


@pytest.fixture
def small_lock(monkeypatch, tmp_path):
    """The lock of one small package, in place of the real one of some hundred megabytes."""
    lines = extras.LOCK.with_name("requirements.lock").read_text().split("\n")
    begin = next(number for number, line in enumerate(lines) if line.startswith("idna=="))
    end = next(number for number in range(begin + 1, len(lines)) if lines[number][:1].isalnum())
    lock = tmp_path / "small.lock"
    lock.write_text("\n".join(lines[begin:end]))
    monkeypatch.setattr(extras, "LOCK", lock)
    extras.stamp.cache_clear()
    yield lock
    extras.stamp.cache_clear()


def test_what_the_lock_says_is_there_afterwards_and_a_second_time_does_nothing(folder, small_lock):
    assert installer.install() is True
    assert extras.is_ready()
    assert (folder / "packages" / "idna" / "__init__.py").exists()
    assert installer.install() is False


def test_another_lock_takes_the_old_packages_place(folder, small_lock):
    installer.install()
    (folder / "packages" / "old.py").touch()
    small_lock.write_text(small_lock.read_text() + "\n# changed")
    extras.stamp.cache_clear()
    assert not extras.is_ready()
    assert installer.install() is True
    assert not (folder / "packages" / "old.py").exists()


def test_of_many_who_try_at_once_one_installs(folder, small_lock):
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: installer.install(), range(4))) == [False, False, False, True]
    assert extras.is_ready()


def test_when_nothing_can_be_had_the_folder_stays_empty_and_users_are_told(folder, small_lock):
    small_lock.write_text("idna==0.0.1 --hash=sha256:" + "0" * 64)
    extras.stamp.cache_clear()
    with pytest.raises(installer.InstallFailed):
        installer.install()
    assert not extras.is_ready()
    assert extras.lacks() == installer.FAILED


def test_a_platform_that_stops_takes_the_installation_with_it(folder, monkeypatch, tmp_path):
    """The installer starts another program, which would go on for minutes if only the first one were ended."""
    started, popen, known = [], subprocess.Popen, tmp_path / "pid"
    inner = f"import os, time; open({str(known)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"

    def sleeping(_command, **options):
        started.append(popen([sys.executable, "-c", outer], **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", sleeping)
    with installing_behind():
        deadline = time.monotonic() + 20
        while not (known.exists() and known.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert started[0].poll() is not None
    while Path(f"/proc/{known.read_text()}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{known.read_text()}").exists()
