import subprocess
from pathlib import Path

import pytest

from deploy.embedded.browser import BrowserUnavailable, find_chromium, starts, unpack_chromium

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
PAGE = "<p id=greeting></p><script>greeting.textContent = 6 * 7</script>"


def program_that_says(text: str, folder: Path, name: str = "chromium") -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{text}'\n")
    program.chmod(0o755)
    return program


def rendered(chromium: str, folder: Path) -> str:
    page = folder / "page.html"
    page.write_text(PAGE)
    command = [chromium, *OPTIONS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=90).stdout


@pytest.mark.browser
def test_the_chromium_that_is_found_runs_pages(tmp_path: Path) -> None:
    assert ">42</p>" in rendered(find_chromium(), tmp_path)


@pytest.mark.browser
def test_an_unpacked_chromium_runs_pages(tmp_path: Path) -> None:
    assert ">42</p>" in rendered(unpack_chromium(tmp_path / "cache"), tmp_path)


def test_the_given_browser_comes_before_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = program_that_says("Chromium 1.0", tmp_path / "given")
    monkeypatch.setenv("PATH", str(program_that_says("Chromium 2.0", tmp_path / "found").parent))
    monkeypatch.setenv("CHROMIUM", str(given))

    assert find_chromium() == str(given)


def test_a_script_that_only_asks_for_a_snap_is_no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placeholder = program_that_says("please install the snap", tmp_path / "bin", "chromium")
    chrome = program_that_says("Google Chrome 3.0", tmp_path / "bin", "google-chrome")
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert not starts(str(placeholder))
    assert find_chromium() == str(chrome)


@pytest.mark.parametrize("given", [True, False], ids=["one_was_given", "none_can_be_had"])
def test_without_a_browser_the_message_says_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, given: bool
) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "absent") if given else "")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BrowserUnavailable, match="apt-get install --no-install-recommends chromium"):
        find_chromium()
