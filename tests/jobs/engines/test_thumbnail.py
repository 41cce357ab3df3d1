import numpy as np
import pytest
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.thumbnail.engine import ThumbnailOptions
from tests.support.films import film, tone

THUMBNAIL = TOOLS["thumbnail"]


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


@pytest.fixture(scope="session")
def short(tmp_path_factory):
    path = film(tmp_path_factory.mktemp("films") / "in.mp4")
    return InputFile(path, probe_film(path, "video/mp4"))


def made(run, **options) -> np.ndarray:
    output = THUMBNAIL.run(run, None, ThumbnailOptions(**options))
    [file] = output.files
    with Image.open(file.path) as image:
        assert image.size == (file.width, file.height)
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(("at", "colour"), [(0, (254, 0, 0)), (0.95, (254, 0, 0)), (2.5, (0, 0, 0))])
def test_the_picture_is_the_one_of_that_moment(run, short, at, colour):
    run.inputs.append(short)
    assert np.abs(made(run, at_seconds=at, width=64, height=36) - colour).max() < 12


def test_without_a_moment_the_picture_with_something_in_it_is_taken(run, short):
    run.inputs.append(short)
    output = THUMBNAIL.run(run, None, ThumbnailOptions())
    assert 1 <= output.data["at_seconds"] < 2
    assert (output.files[0].width, output.files[0].height) == (1280, 720)


def test_a_picture_can_be_the_cover_too(run, tmp_path):
    Image.new("RGB", (300, 300), "#00ff00").save(tmp_path / "green.png")
    run.inputs.append(InputFile(tmp_path / "green.png", {"kind": "image"}))
    assert made(run, width=160, height=90, format="png").shape == (90, 160, 3)


def test_a_moment_behind_the_end_is_refused_with_its_field(run, short):
    run.inputs.append(short)
    with pytest.raises(InvalidInput) as refused:
        made(run, at_seconds=3.5)
    assert refused.value.field == "options.at_seconds"


def test_a_sound_has_no_cover(run, tmp_path):
    path = tone(tmp_path / "in.mp3")
    run.inputs.append(InputFile(path, probe_film(path, "audio/mpeg")))
    with pytest.raises(InvalidInput):
        made(run)


def test_a_film_on_its_side_gives_an_upright_cover(run, tmp_path):
    from tests.support.films import ffmpeg  # noqa: PLC0415

    upright = film(tmp_path / "upright.mp4", sound=False)
    ffmpeg("-display_rotation", "90", "-i", str(upright), "-c", "copy", str(tmp_path / "turned.mp4"))
    path = tmp_path / "turned.mp4"
    run.inputs.append(InputFile(path, probe_film(path, "video/mp4")))
    still = made(run, at_seconds=1.5, width=72, height=128, format="png")
    run.inputs[:] = [InputFile(upright, probe_film(upright, "video/mp4"))]
    turned = np.rot90(made(run, at_seconds=1.5, width=128, height=72, format="png"))
    assert np.abs(still - turned).mean() < 3
