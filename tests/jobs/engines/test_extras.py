"""The heavy engines' packages: there or not there, and nothing in between."""

import fcntl

import pytest

from services.jobs.catalogue import Catalogue, entries
from services.jobs.engines import extras
from services.jobs.errors import ToolUnavailable


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(extras.FOLDER_VARIABLE, str(tmp_path))
    return tmp_path


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
    (folder / "stamp").write_text(extras.stamp())
    assert set(catalogue.tools_of("interactive")) - set(before) == {"thumbnail"}
    assert shown("thumbnail").reason is None
    assert catalogue.get_tool("thumbnail", "studio").needs_extras
