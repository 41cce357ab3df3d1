"""The heavy engines' packages: there or not there, and nothing in between."""

import fcntl
import hashlib
import os

import pytest

from services.jobs.catalogue import Catalogue, entries
from services.jobs.engines import extras
from services.jobs.errors import ToolUnavailable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(extras.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


def written(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def shown(tool):
    return next(entry for entry in entries(Catalogue()) if entry.id == tool)


def test_a_tool_whose_packages_are_missing_is_shown_with_the_reason_and_takes_no_orders(folder):
    assert (shown("thumbnail").available, shown("memes").available) == (False, True)
    assert shown("thumbnail").reason == "Its programs are not installed yet."
    assert "thumbnail" not in Catalogue().tools_of("interactive")
    with pytest.raises(ToolUnavailable):
        Catalogue().get_tool("thumbnail", "studio")
    (folder / "failed").write_text("No network.")
    assert shown("thumbnail").reason == "No network."
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert shown("thumbnail").reason == extras.BUSY
    assert shown("thumbnail").reason == "No network."


@pytest.mark.parametrize("written", ["", "another lock", None], ids=["nothing", "another lock", "half"])
def test_a_folder_that_is_not_whole_is_none(folder, written):
    (folder / "packages").mkdir()
    if written is not None:
        (folder / "stamp").write_text(written)
    assert not extras.is_ready()


def test_tools_come_when_the_stamp_does(folder):
    catalogue = Catalogue()
    before = catalogue.tools_of("interactive")
    written(folder / "packages" / extras.FILM_READER.path)
    (folder / "stamp").write_text(extras.stamp())
    assert set(catalogue.tools_of("interactive")) - set(before) == {"thumbnail"}
    assert shown("thumbnail").reason is None
    assert catalogue.get_tool("thumbnail", "studio").needs_extras


def test_a_tool_names_the_package_that_it_lacks_and_others_work(folder):
    written(folder / "packages" / extras.FILM_READER.path)
    (folder / "stamp").write_text(extras.stamp())
    assert (shown("thumbnail").available, shown("voiceover").available) == (True, False)
    assert shown("voiceover").reason == "The package of voices is missing."
    with pytest.raises(ToolUnavailable, match="voices is missing"):
        Catalogue().get_tool("voiceover", "ai")


def test_weights_that_are_not_those_that_were_tested_are_not_used(folder):
    (folder / "stamp").write_text(extras.stamp())
    weights = written(folder / "packages" / "some" / "model.bin", b"tested")
    part = extras.Part("The model", "some/model.bin", hashlib.sha256(b"tested").hexdigest())
    assert extras.lacks([part]) is None
    weights.write_bytes(b"other")
    os.utime(weights, ns=(0, 1))
    assert extras.lacks([part]) == "The model is not the one that was tested."
    weights.unlink()
    assert extras.lacks([part]) == "The model is missing."


def test_packages_of_another_machine_are_none(folder, monkeypatch):
    (folder / "stamp").write_text(extras.stamp())
    assert extras.is_ready()
    extras.stamp.cache_clear()
    monkeypatch.setattr(extras.sysconfig, "get_config_var", lambda _name: ".cpython-311-aarch64-linux-gnu.so")
    try:
        assert not extras.is_ready()
    finally:
        extras.stamp.cache_clear()
