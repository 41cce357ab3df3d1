"""A reel is what it says: seen, heard and read again from the finished file."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.film import planes
from services.jobs.engines.film.frames import frames_at
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.film.still import Still
from services.jobs.engines.media import probe_image
from services.jobs.engines.reels import scenes
from services.jobs.engines.reels.engine import ReelOptions
from services.jobs.engines.speech import music, sound
from services.jobs.engines.speech.voices import Word
from tests.jobs.engines.conftest import Run
from tests.support.films import tone
from tests.support.speech import heard, loudness, word_error_rate

REELS = TOOLS["reels"]
SCRIPT = "Welcome to the coffee house by the river. Come in and sit down with us."
RED, BLUE, ACCENT = (200, 40, 40), (40, 40, 200), (0, 255, 128)


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def plain(folder, name, colour, size=(540, 960)):
    Image.new("RGB", size, colour).save(folder / name)
    return InputFile(folder / name, probe_image(folder / name))


@pytest.fixture(scope="module")
def reel(tmp_path_factory):
    """One reel of two pictures and music of our own, and the run that made it."""
    folder = tmp_path_factory.mktemp("reel")
    run = Run(folder, inputs=[plain(folder, "red.png", RED), plain(folder, "blue.png", BLUE)])
    output = REELS.run(run, SCRIPT, ReelOptions(accent="#00ff80"))
    path = output.files[0].path
    return run, output, InputFile(path, probe_film(path, "video/mp4"))


def pixels(film, moment):
    return np.asarray(frames_at(film, [moment])[0].convert("RGB")).astype(int)


def share_of(image, colour, within=70):
    return float((np.abs(image - colour).max(axis=2) < within).mean())


def test_a_reel_is_upright_at_thirty_frames_and_as_long_as_it_says(reel):
    run, output, film = reel
    size = {"width": 1080, "height": 1920, "fps": 30.0, "has_sound": True}
    assert {name: film.media[name] for name in size} == size
    assert film.media["duration"] == pytest.approx(output.files[0].duration, abs=1 / 30)
    assert output.units["export_seconds"] == int(np.ceil(output.files[0].duration))
    held = REELS.quote(SCRIPT, ReelOptions(), []).units
    assert all(output.units[metric] <= held[metric] for metric in held)
    assert [percent for percent, _ in run.reported] == sorted(percent for percent, _ in run.reported)


def test_the_voice_is_heard_over_the_music_at_the_loudness_of_the_platforms(reel):
    _, output, film = reel
    assert word_error_rate(SCRIPT, heard(film.path)) < 0.1
    assert loudness(film.path) == pytest.approx(-16, abs=1)
    assert output.data["timings"]["words"][0]["start"] == pytest.approx(0.3, abs=0.1)


def test_pictures_change_where_the_second_sentence_begins(reel):
    _, output, film = reel
    begins = next(word["start"] for word in output.data["timings"]["words"] if word["text"] == "Come")
    assert output.data["scenes"][1]["start"] == pytest.approx(begins, abs=0.3)
    assert share_of(pixels(film, begins - 0.6)[:900], RED) > 0.95
    assert share_of(pixels(film, begins + 0.6)[:900], BLUE) > 0.95


def test_the_word_that_is_said_stands_out_and_only_while_words_are_said(reel):
    _, output, film = reel
    words = output.data["timings"]["words"]
    places = []
    for word in (words[0], words[3], words[-1]):
        lower = pixels(film, (word["start"] + word["end"]) / 2)[1100:1600]
        accent = np.abs(lower - ACCENT).max(axis=2) < 70
        assert 0.005 < accent.mean() < 0.1
        assert share_of(lower, (255, 255, 255)) > 0.01
        places.append(np.argwhere(accent).mean(axis=0).round())
    assert all(np.abs(one - other).max() > 20 for one, other in itertools.combinations(places, 2))
    assert share_of(pixels(film, 0.1), ACCENT) == 0


def test_music_makes_way_for_words():
    seconds, rate = 6, sound.RATE
    time = np.arange(seconds * rate) / rate
    voice = np.where(time < 3, np.sin(2 * np.pi * 3000 * time) * 0.1, 0)
    hum = np.sin(2 * np.pi * 200 * np.arange(rate) / rate)[:, None] * [0.5, 0.5]
    mixed = music.under(voice, [Word("la", 0.0, 3.0, 0)], hum)[:, 0]

    def level(start, end):
        part = mixed[round(start * rate) : round(end * rate)]
        return np.abs(np.fft.rfft(part)[round(200 * (end - start))]) / len(part)

    assert 20 * np.log10(level(4, 5) / level(1, 2)) == pytest.approx(10, abs=0.5)


@pytest.mark.parametrize("mood", ["calm", "bright", "pulse"])
def test_our_own_music_is_stereo_of_the_length_asked_and_the_same_for_the_same_seed(mood):
    bed = music.bed(mood, 3.0, 7)
    assert bed.shape == (3 * sound.RATE, 2)
    assert np.isfinite(sound.loudness(bed))
    assert np.array_equal(bed, music.bed(mood, 3.0, 7))
    assert not np.array_equal(bed, music.bed(mood, 3.0, 8))


def test_without_pictures_art_is_drawn_for_the_words_the_same_for_the_same_seed():
    one, again, other = (scenes.generated(SCRIPT, count, seed) for count, seed in ((2, 1), (1, 1), (1, 2)))
    assert one[0].tobytes() == again[0].tobytes() != other[0].tobytes()
    assert one[0].tobytes() != one[1].tobytes()


def test_a_picture_waits_for_the_sentence_that_begins_near_its_share_of_the_time():
    begins = [(0.0, 0), (1.0, 0), (2.0, 0), (3.0, 0), (4.1, 0), (5.0, 1), (6.0, 1), (7.0, 1)]
    words = [Word("word", start, start + 0.8, sentence) for start, sentence in begins]
    assert scenes.cuts_of(words, 2, 8.0) == [pytest.approx(5.0 - 0.225)]


@given(
    number=st.integers(1, 10),
    lengths=st.lists(st.floats(0.05, 2), min_size=1, max_size=30),
    sentence=st.integers(1, 6),
)
@settings(max_examples=60, deadline=None)
def test_every_picture_gets_its_time_whatever_the_words(number, lengths, sentence):
    ends = list(itertools.accumulate(lengths))
    words = [
        Word("word", end - own, end, at // sentence) for at, (own, end) in enumerate(zip(lengths, ends, strict=True))
    ]
    seconds = ends[-1] + 1.2
    cuts = [0.0, *scenes.cuts_of(words, number, seconds), seconds]
    assert len(cuts) == number + 1
    assert all(other - one > 0.05 * seconds / number for one, other in itertools.pairwise(cuts))


def test_what_is_laid_over_a_frame_covers_as_much_as_it_is_opaque():
    frame = planes.of_picture(Image.new("RGB", (64, 64), "#000000"))
    layer = Image.new("RGBA", (64, 32), (255, 255, 255, 0))
    layer.paste((255, 255, 255, 128), (0, 0, 32, 32))
    layer.paste((255, 255, 255, 255), (32, 0, 48, 32))
    planes.Overlay(layer, (0, 32)).onto(frame)
    light, blue, red = planes.planes(frame)
    seen = [int(light[y, x]) for y, x in ((16, 16), (48, 16), (48, 40), (48, 60))]
    assert seen == [16, pytest.approx(126, abs=3), pytest.approx(235, abs=3), pytest.approx(16, abs=3)]
    assert np.abs(np.stack([blue, red]).astype(int) - 128).max() <= 3


@pytest.mark.parametrize("transition", ["fade", "slide", "zoom", "cut"])
def test_a_transition_shows_both_pictures_and_ends_with_the_new_one(transition):
    pictures = [Image.new("RGB", (108, 192), colour) for colour in (RED, BLUE)]
    shown = scenes.scenes_of(pictures, [], 0.8, seed=1)
    light = [float(planes.planes(frame).light.mean()) for frame in scenes.frames(shown, transition, 24)]
    red, blue = light[0], light[-1]
    assert abs(red - blue) > 15
    between = sum(min(red, blue) + 3 < value < max(red, blue) - 3 for value in light)
    assert between == 0 if transition == "cut" else between >= 5


def rippled(width, height):
    """Waves of eight pixels in every plane: half a pixel off is thirty levels off."""
    rows, columns = np.mgrid[: height * 3 // 2, :width]
    return (128 + 80 * np.sin(rows * np.pi / 4) * np.sin(columns * np.pi / 4)).astype(np.uint8)


@given(zoom=st.floats(1, 1.16), x=st.floats(0, 1), y=st.floats(0, 1))
@example(zoom=1.16, x=0.25, y=0.5)
@settings(max_examples=25, deadline=None)
def test_a_picture_is_seen_between_its_pixels_where_a_warp_would_show_it(zoom, x, y):
    scale, size = zoom / 1.16, (268, 480)
    left, top = (held * scale - side for held, side in zip((312, 556), size, strict=True))
    matrix = ((scale, 0, -left * x), (0, scale, -top * y))
    frame = rippled(312, 556)
    off = Still(frame).seen(scale, (left * x, top * y), size) - planes.moved(frame, matrix, size).astype(int)
    assert np.abs(off).mean() < 1.5
    assert np.abs(off).max() < 16


def test_a_landscape_picture_is_shown_whole(tmp_path):
    picture = Image.new("RGB", (1600, 900), "#808080")
    picture.paste("#ff0000", (0, 0, 40, 900))
    picture.paste("#00ff00", (1560, 0, 1600, 900))
    [scene] = scenes.scenes_of([picture], [], 2.0, seed=1)
    planes_ = planes.planes(scene.picture.seen(1 / 1.16, (0, 0), scenes.SIZE))
    middle = planes_.red.shape[0] // 2
    assert planes_.red[middle].max() > 200
    assert planes_.red[middle].min() < 60


def test_a_sound_that_is_sent_is_the_music(tmp_path):
    path = tone(tmp_path / "in.mp3", seconds=1, frequency=330)
    music_file = InputFile(path, probe_film(path, "audio/mpeg"))
    run = Run(tmp_path, inputs=[plain(tmp_path, "red.png", RED), music_file])
    output = REELS.run(run, "Hello.", ReelOptions(captions="none", music="bright", transition="cut"))
    from services.jobs.engines.speech.listening import sound_of  # noqa: PLC0415

    film = output.files[0].path
    whole = sound_of(InputFile(film, probe_film(film, "video/mp4")))
    end = whole[-8000:-1600]
    loudest = np.abs(np.fft.rfft(end * np.hanning(len(end)))).argmax() * 16000 / len(end)
    assert loudest == pytest.approx(330, abs=5)


@pytest.mark.parametrize(
    ("script", "media", "says"),
    [
        ("Hi.", [{"kind": "image"}] * 11, "10 pictures"),
        ("Hi.", [{"kind": "audio"}] * 2, "one music"),
        ("Too long. " * 250, [], "90 seconds"),
        ("你好", [], "Latin"),
    ],
    ids=["pictures", "music", "length", "letters"],
)
def test_what_makes_no_reel_is_refused_before_a_job_is_made(script, media, says):
    with pytest.raises(InvalidInput, match=says):
        REELS.quote(script, ReelOptions(), media)
