"""What films and sounds from strangers are, and what is refused before any work."""

import pytest

from services.jobs.engines import InvalidInput, extras
from services.jobs.engines.film import probing
from services.jobs.engines.film.probing import probe_film
from tests.support.films import ffmpeg, film, tone

pytestmark = pytest.mark.usefixtures("extras_joined")


@pytest.fixture(scope="session")
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def test_a_film_is_described_by_its_streams(tmp_path):
    found = probe_film(film(tmp_path / "in.mp4"), "video/mp4")
    size = {"width": 128, "height": 72}
    assert found == {"kind": "video", "duration": 3.0, **size, "fps": 10.0, "has_sound": True, "demuxer": "mov"}


@pytest.mark.parametrize(("name", "content_type"), [("in.webm", "video/webm"), ("in.mov", "video/quicktime")])
def test_each_kind_of_film_is_read(tmp_path, name, content_type):
    assert probe_film(film(tmp_path / name, sound=False), content_type)["has_sound"] is False


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("in.mp3", "audio/mpeg"), ("in.wav", "audio/wav"), ("in.m4a", "audio/mp4"), ("in.ogg", "audio/ogg")],
)
def test_each_kind_of_sound_is_read(tmp_path, name, content_type):
    found = probe_film(tone(tmp_path / name), content_type)
    assert found["kind"] == "audio"
    assert found["duration"] == pytest.approx(2, abs=0.1)


def test_a_film_that_lies_on_its_side_is_as_it_is_seen(tmp_path):
    upright = film(tmp_path / "upright.mp4", sound=False)
    ffmpeg("-display_rotation", "90", "-i", str(upright), "-c", "copy", str(tmp_path / "turned.mp4"))
    found = probe_film(tmp_path / "turned.mp4", "video/mp4")
    assert (found["width"], found["height"]) == (72, 128)


def test_a_playlist_in_disguise_opens_nothing(tmp_path):
    secret = tmp_path / "secret.ts"
    film(secret, sound=False)
    (tmp_path / "in.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{secret}\n#EXT-X-ENDLIST\n")
    for content_type in probing.KINDS:
        with pytest.raises(InvalidInput) as refused:
            probe_film(tmp_path / "in.mp4", content_type)
        assert refused.value.code == "UNSUPPORTED_MEDIA"


@pytest.mark.parametrize("keep", [0.02, 0.5, 0.8])
@pytest.mark.parametrize("front", [True, False], ids=["index first", "index last"])
def test_a_film_that_was_cut_off_is_refused(tmp_path, keep, front):
    options = ("-movflags", "+faststart") if front else ()
    whole = film(tmp_path / "whole.mp4", size="640x360", options=options).read_bytes()
    (tmp_path / "in.mp4").write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InvalidInput) as refused:
        probe_film(tmp_path / "in.mp4", "video/mp4")
    assert refused.value.code == "UNSUPPORTED_MEDIA"


@pytest.mark.parametrize(("name", "content_type"), [("in.mp4", "audio/mpeg"), ("in.mp3", "video/mp4")])
def test_a_file_that_is_not_what_it_says_is_refused(tmp_path, name, content_type):
    made = film(tmp_path / name) if name == "in.mp4" else tone(tmp_path / name)
    with pytest.raises(InvalidInput):
        probe_film(made, content_type)


def test_what_is_too_long_or_too_large_is_refused_before_any_work(tmp_path):
    ffmpeg(
        *("-f", "lavfi", "-i", "color=c=red:s=16x16:r=1:d=1300", "-pix_fmt", "yuv420p", str(tmp_path / "long.mp4")),
    )
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=5000x16:r=1:d=1", "-pix_fmt", "yuv420p", str(tmp_path / "wide.mp4"))
    for name in ("long.mp4", "wide.mp4"):
        with pytest.raises(InvalidInput) as refused:
            probe_film(tmp_path / name, "video/mp4")
        assert refused.value.code == "INPUT_TOO_LARGE"
