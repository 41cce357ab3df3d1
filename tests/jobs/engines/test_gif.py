import numpy as np
import pytest
from PIL import Image, ImageSequence

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.gif.engine import GifOptions
from services.jobs.engines.media import probe_image
from tests.support.films import film

GIF = TOOLS["gif"]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


@pytest.fixture(scope="session")
def short(tmp_path_factory):
    path = film(tmp_path_factory.mktemp("films") / "in.mp4")
    return InputFile(path, probe_film(path, "video/mp4"))


@pytest.fixture
def pictures(tmp_path):
    """Two squares, and a wide one that does not fit among them."""
    made = []
    for name, size, colour in (("a", (40, 40), RED), ("b", (40, 40), GREEN), ("c", (80, 40), BLUE)):
        Image.new("RGB", size, colour).save(tmp_path / f"{name}.png")
        made.append(InputFile(tmp_path / f"{name}.png", probe_image(tmp_path / f"{name}.png")))
    return made


def frames_of(run, **options):
    """The frames as they are seen, how long each stays in milliseconds, and how often the loop plays again."""
    [file] = GIF.run(run, None, GifOptions(**options)).files
    with Image.open(file.path) as loop:
        assert (loop.format, loop.size) == ("GIF", (file.width, file.height))
        frames = ImageSequence.Iterator(loop)
        seen = [(np.asarray(frame.convert("RGB")).astype(int), frame.info["duration"]) for frame in frames]
        repeats = loop.info["loop"]
    assert file.duration == pytest.approx(sum(stay for _, stay in seen) / 1000)
    assert [path.name for path in run.workdir.glob("*.gif")] == [file.name]
    return [picture for picture, _ in seen], [stay for _, stay in seen], repeats


def is_near(picture, colour):
    return np.abs(picture - colour).max() < 24


def test_a_part_of_a_film_becomes_a_loop_of_that_length_and_pace(run, short):
    run.inputs.append(short)
    seen, stays, repeats = frames_of(run, start=0.5, seconds=1.0, width=64, fps=10)
    assert sum(stays) == pytest.approx(1000, abs=100)
    assert repeats == 0
    assert is_near(seen[0], (254, 0, 0))
    assert not is_near(seen[-1], (254, 0, 0))


def test_a_film_that_ends_sooner_makes_a_shorter_loop_and_is_not_enlarged(run, short):
    run.inputs.append(short)
    seen, stays, _ = frames_of(run, start=2.5, seconds=4, width=640, fps=10)
    assert sum(stays) == pytest.approx(500, abs=100)
    assert seen[0].shape == (72, 128, 3)


def test_pictures_follow_each_other_whole_in_the_shape_of_the_first(run, pictures):
    run.inputs.extend(pictures)
    seen, stays, repeats = frames_of(run, seconds_per_picture=0.25, width=40, ground="#ffffff", repeats=3)
    assert (stays, repeats) == ([250, 250, 250], 3)
    assert is_near(seen[0], RED)
    assert is_near(seen[1], GREEN)
    assert is_near(seen[2][12:28], BLUE)
    assert is_near(seen[2][:8], (255, 255, 255))


def test_a_boomerang_runs_back_and_shows_no_end_twice(run, pictures):
    run.inputs.extend(pictures)
    seen, _, _ = frames_of(run, seconds_per_picture=0.1, width=40, play="boomerang")
    middles = [tuple(int(value > 128) for value in frame[20, 20]) for frame in seen]
    assert middles == [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 0)]


def test_a_boomerang_of_two_pictures_is_those_two(run, pictures):
    run.inputs.extend(pictures[:2])
    seen, _, _ = frames_of(run, seconds_per_picture=0.1, width=40, play="boomerang")
    assert len(seen) == 2


def test_fewer_colours_are_all_that_is_used(run, short):
    run.inputs.append(short)
    seen, _, _ = frames_of(run, start=1.2, seconds=0.5, colours=8, dither=False)
    used = {tuple(pixel) for frame in seen for pixel in frame.reshape(-1, 3)}
    assert 2 <= len(used) <= 8


@pytest.mark.parametrize("start", [3.0, 30])
def test_a_start_behind_the_end_is_refused_when_it_is_ordered_and_when_it_runs(run, short, start):
    run.inputs.append(short)
    for refuse in (GIF.run, lambda _run, prompt, chosen: GIF.quote(prompt, chosen, [short.media])):
        with pytest.raises(InvalidInput) as refused:
            refuse(run, None, GifOptions(start=start))
        assert refused.value.field == "options.start"


def test_films_and_pictures_are_not_mixed_and_one_picture_does_not_move(short, pictures):
    for media in ([short.media, pictures[0].media], [short.media, short.media], [pictures[0].media]):
        with pytest.raises(InvalidInput) as refused:
            GIF.quote(None, GifOptions(), media)
        assert refused.value.field == "input_files"


def test_what_would_not_fit_into_memory_is_refused_before_any_work():
    tall = {"kind": "video", "duration": 60.0, "width": 1080, "height": 1920}
    with pytest.raises(InvalidInput):
        GIF.quote(None, GifOptions(seconds=15, fps=25, width=1080), [tall])
    assert GIF.quote(None, GifOptions(seconds=15), [tall]).units == {"studio_jobs": 1}
