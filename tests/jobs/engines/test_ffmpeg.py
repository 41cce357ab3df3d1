"""How the program ends when a job is over before it is, and when a film is broken where no probe looked."""

from pathlib import Path

import pytest

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras, ffmpeg
from services.jobs.engines.film.probing import probe_film
from tests.support.films import ffmpeg as made_by_ffmpeg


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


class Cancelled(Exception):
    """What a job's progress raises when nobody wants the job any more."""


def children_of_ours() -> list[str]:
    """The programs whose parent is this process and that have not ended."""
    ids = Path(f"/proc/self/task/{Path('/proc/thread-self').resolve().name}/children").read_text().split()
    return [name for name in map(program_of, ids) if "ffmpeg" in name]


def program_of(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0", maxsplit=1)[0].decode()
    except FileNotFoundError:
        return ""


def test_the_program_ends_with_the_job_when_the_job_is_cancelled(tmp_path):
    film = ["-re", "-f", "lavfi", "-i", "color=c=red:s=16x16:r=10:d=20", *ffmpeg.H264, "-f", "mp4", "out.mp4"]
    with pytest.raises(Cancelled):
        ffmpeg.run(film, tmp_path, seconds=20, done=cancelled_job)
    assert not children_of_ours()
    made = tmp_path / "out.mp4"
    assert not made.exists() or b"moov" not in made.read_bytes(), "the film was waited for to its end"


def cancelled_job(_share: float) -> None:
    assert children_of_ours()
    raise Cancelled


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A film with both ends whole, as the probe wants them, and nothing but noughts between."""
    folder = tmp_path_factory.mktemp("broken")
    parts = ("testsrc=s=320x180:r=10:d=6", "sine=frequency=440:duration=6")
    sources = [part for one in parts for part in ("-f", "lavfi", "-i", one)]
    encoding = ("-g", "10", "-pix_fmt", "yuv420p", "-movflags", "+faststart")
    made_by_ffmpeg(*sources, *encoding, str(folder / "whole.mp4"))
    content = bytearray((folder / "whole.mp4").read_bytes())
    start, end = len(content) * 4 // 10, len(content) * 8 // 10
    content[start:end] = bytes(end - start)
    (folder / "in.mp4").write_bytes(content)
    return InputFile(folder / "in.mp4", probe_film(folder / "in.mp4", "video/mp4"))


@pytest.mark.parametrize(
    ("tool", "prompt", "options"),
    [
        ("gif", None, {"start": 2.5, "seconds": 0.3}),
        ("thumbnail", None, {"at_seconds": 3}),
        ("thumbnail", None, {}),
        ("subtitles", None, {}),
        ("subtitles", "hallo", {"language": "de-DE", "burn_in": True}),
        ("video-editor", None, {"clips": [{"input": 0, "start": 2.5, "end": 2.9}]}),
        ("audio-mix", None, {"tracks": [{"name": "voice"}, {"duck_under": "voice"}]}),
    ],
)
def test_a_film_that_is_broken_in_the_middle_is_the_films_fault(run, broken, tool, prompt, options):
    run.inputs.append(broken)
    with pytest.raises(InvalidInput) as refused:
        TOOLS[tool].run(run, prompt, TOOLS[tool].options(**options))
    assert (refused.value.code, refused.value.field) == ("UNSUPPORTED_MEDIA", "input_files")


def test_a_fault_of_our_own_is_not_called_the_users(tmp_path):
    with pytest.raises(ffmpeg.FfmpegFailed):
        ffmpeg.run(["-f", "lavfi", "-i", "color=c=red:d=1", "-vf", "nothing_like_it", "-f", "null", "-"], tmp_path)
