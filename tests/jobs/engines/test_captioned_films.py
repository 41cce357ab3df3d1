"""Memes over what moves already: captions on the frames of a film or of an animated picture that was sent."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from services.jobs.engines import TOOLS, InputFile, InvalidInput, ffmpeg, media
from services.jobs.engines.film.probing import MICROSECONDS, probe_film
from services.jobs.engines.media import probe_image
from services.jobs.engines.memes.options import MemeOptions
from tests.support.films import ffmpeg as make
from tests.support.films import film

MEMES = TOOLS["memes"]
SIZE = (320, 240)
STAYS = [70, 200, 50, 1000, 330]
COLOURS = ((200, 30, 30), (30, 160, 60), (40, 60, 190), (210, 180, 40), (90, 30, 120))
TOP, MIDDLE, BOTTOM = np.s_[:56], np.s_[72:168], np.s_[184:]


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """Three seconds at ten frames with a tone: red, a test picture, black."""
    path = film(tmp_path_factory.mktemp("films") / "in.mp4", size="320x240")
    return InputFile(path, probe_film(path, "video/mp4"))


@pytest.fixture(scope="module", params=["gif", "webp"])
def loop(request, tmp_path_factory):
    """Frames of one colour each, which stay for very different times, with a hole."""
    path = tmp_path_factory.mktemp("loops") / f"in.{request.param}"
    pages = [Image.new("RGBA", SIZE, (*colour, 255)) for colour in COLOURS]
    for page in pages:
        page.paste((0, 0, 0, 0), (100, 100, 220, 140))
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=STAYS, loop=0, disposal=2, lossless=True)
    return InputFile(path, probe_image(path))


def made(run, given, prompt, **options):
    run.inputs = [given]
    quoted = MEMES.quote(prompt, MemeOptions(**options), [given.media])
    output = MEMES.run(run, prompt, MemeOptions(**options))
    assert quoted.units == output.units
    assert [path.name for path in run.workdir.iterdir()] == [output.files[0].name]
    return output.files[0], output


def pages_of(path):
    """Each picture of a loop as it is seen, and how long it stays in milliseconds."""
    with Image.open(path) as loop:
        assert loop.info["loop"] == 0
        found = []
        for page in ImageSequence.Iterator(loop):
            page.load()
            found.append((np.asarray(page.convert("RGB")).astype(int), page.info["duration"]))
    return [picture for picture, _ in found], [stay for _, stay in found]


def frames_of(path):
    """Each frame of a film, and when it is shown, in seconds."""
    import av  # noqa: PLC0415 - of the engines' own packages

    with av.open(str(path)) as container:
        found = [(frame.to_ndarray(format="rgb24").astype(int), frame.time) for frame in container.decode(video=0)]
        seconds = container.duration / MICROSECONDS
    return [picture for picture, _ in found], [time for _, time in found], seconds


def far(one, other):
    return np.abs(one - other).mean()


def is_written(part):
    """Whether there are white letters with dark edges in the part."""
    grey = part.mean(axis=2)
    return bool((grey > 225).mean() > 0.02 and (grey < 70).mean() > 0.01)


def still(run, picture, prompt, **options):
    """The same captions on a still picture of the same size."""
    run = replace(run, workdir=run.workdir / "still", inputs=[])
    run.workdir.mkdir()
    Image.fromarray(picture.astype(np.uint8)).save(run.workdir / "in.png")
    run.inputs = [InputFile(run.workdir / "in.png", probe_image(run.workdir / "in.png"))]
    file = MEMES.run(run, prompt, MemeOptions(size=picture.shape[1], **options)).files[0]
    return np.asarray(Image.open(file.path)).astype(int)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_captions_stay_on_every_picture_of_a_loop_and_each_stays_as_long_as_it_did(run, loop, form):
    file, output = made(run, loop, "hold on | still here", format=form)
    assert (file.content_type, file.kind, file.width, file.height) == (f"image/{form}", "image", *SIZE)
    pictures, stays = pages_of(file.path)
    assert stays == STAYS
    assert file.duration == loop.media["duration"] == sum(STAYS) / 1000
    for picture, colour in zip(pictures, COLOURS, strict=True):
        assert is_written(picture[TOP])
        assert is_written(picture[BOTTOM])
        assert far(picture[MIDDLE][:, :90], colour) < 8
        assert far(picture[110:130, 110:210], (255, 255, 255)) < 8, "what is transparent lies on white"
    assert output.units == {"ai_generations": 1, "images": 1}
    ground = np.full((*SIZE[::-1], 3), COLOURS[0])
    ground[100:140, 100:220] = 255
    assert far(pictures[0], still(run, ground, "hold on | still here")) < 6


def test_an_animated_picture_becomes_a_film_of_its_pace_and_length(run, loop):
    file, output = made(run, loop, "hold on |", format="mp4")
    pictures, times, seconds = frames_of(file.path)
    assert times == pytest.approx([sum(STAYS[:number]) / 1000 for number in range(len(STAYS))], abs=0.002)
    assert seconds == pytest.approx(sum(STAYS) / 1000, abs=0.01)
    for picture, colour in zip(pictures, COLOURS, strict=True):
        assert is_written(picture[TOP])
        assert not is_written(picture[BOTTOM])
        assert far(picture[MIDDLE][:, :90], colour) < 8
    assert output.units == {"ai_generations": 1, "images": 1, "export_seconds": 2}


def test_without_a_format_what_moves_stays_what_it_was(run, loop):
    file, _ = made(run, loop, "as it came |")
    assert file.name == f"meme.{loop.media['format']}"
    assert len(pages_of(file.path)[0]) == len(STAYS)


def test_captions_come_and_go_at_their_times_and_the_sound_stays(run, short):
    times = [{"end": 1}, {"start": 1, "end": 2}, {"start": 2, "place": "bottom"}]
    file, output = made(run, short, "red | wait | black", times=times, animation="pop")
    assert (file.content_type, file.width, file.height, file.duration) == ("video/mp4", *SIZE, 3.0)
    probed = probe_film(file.path, "video/mp4")
    assert (probed["has_sound"], probed["fps"], probed["duration"]) == (True, 10.0, pytest.approx(3, abs=0.1))
    pictures, times, _ = frames_of(file.path)
    assert times == pytest.approx([number / 10 for number in range(30)], abs=0.001)
    assert [is_written(pictures[number][TOP]) for number in (5, 9, 25, 29)] == [True, True, False, False]
    assert [number for number in range(10) if is_written(pictures[number][BOTTOM])] == []
    assert far(pictures[9], still(run, np.full((*SIZE[::-1], 3), (254, 0, 0)), "red |")) < 6
    assert far(pictures[29], still_of_black(run)) < 6
    assert output.units["export_seconds"] == 3


def still_of_black(run):
    run = replace(run, workdir=run.workdir / "black")
    run.workdir.mkdir()
    return still(run, np.zeros((*SIZE[::-1], 3)), "| black")


def test_a_timed_caption_arrives_by_its_animation(run, short):
    file, _ = made(run, short, "| black", times=[{}, {"start": 2}], animation="fade")
    pictures, _, _ = frames_of(file.path)
    light = [picture[BOTTOM].max() for picture in pictures[20:29]]
    assert light[0] < 30
    assert 60 < light[3] < 220
    assert light[-1] > 240


@pytest.mark.parametrize("form", ["mp4", "gif"])
def test_a_caption_that_arrives_at_the_very_end_makes_nothing_longer(run, short, form):
    options = {"format": form, "animation": "typewriter", "times": [{}, {"start": 2.9}]}
    file, _ = made(run, short, "| a long caption", **options)
    shown = frames_of(file.path)[1] if form == "mp4" else np.cumsum([0, *pages_of(file.path)[1][:-1]]) / 1000
    assert shown == pytest.approx([number / 10 for number in range(30)], abs=0.001)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_a_loop_is_as_long_as_the_pictures_and_not_as_the_sound(run, tmp_path, form):
    video = ("-f", "lavfi", "-i", "testsrc=s=320x240:d=1:r=10", "-f", "lavfi", "-i", "sine=d=3")
    make(*video, "-pix_fmt", "yuv420p", str(tmp_path / "in.mp4"))
    run.workdir = tmp_path / "made"
    run.workdir.mkdir()
    file, _ = made(
        run, InputFile(tmp_path / "in.mp4", probe_film(tmp_path / "in.mp4", "video/mp4")), "a |", format=form
    )
    assert file.duration == sum(pages_of(file.path)[1]) / 1000 == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("form", ["gif", "webp"])
def test_a_film_becomes_a_loop_of_its_length(run, short, form):
    file, _ = made(run, short, "| black", format=form, times=[{}, {"start": 2}])
    pictures, stays = pages_of(file.path)
    assert sum(stays) == pytest.approx(3000, abs=100)
    assert not is_written(pictures[0][BOTTOM])
    assert is_written(pictures[-1][BOTTOM])


def test_captions_in_bars_cover_nothing(run, short):
    file, _ = made(run, short, "above the picture | and below", layout="caption-bar")
    pictures, _, _ = frames_of(file.path)
    assert (file.width, file.height) == (320, 240 + 2 * 64)
    assert far(pictures[0][64:-64], (254, 0, 0)) < 6
    for bar in (pictures[0][:64], pictures[29][-64:]):
        assert np.median(bar) > 245
        assert (bar.mean(axis=2) < 60).mean() > 0.01


def test_words_that_look_like_filters_are_only_drawn(run, short, monkeypatch):
    words = "':textfile=/etc/hostname:x=1,[0:v]movie=a%03d;"
    seen = []
    real = ffmpeg.run
    monkeypatch.setattr(
        ffmpeg, "run", lambda arguments, *rest, **named: (seen.extend(arguments), real(arguments, *rest, **named))
    )
    file, _ = made(run, short, f"{words} |", times=[{"end": 1}, {}], animation="fade")
    assert "hostname" not in json.dumps(seen)
    assert "movie" not in json.dumps(seen)
    assert is_written(frames_of(file.path)[0][9][TOP])


def refused(found, prompt="a | b", **options):
    chosen = MemeOptions(**options)

    def order():
        MEMES.check(prompt, chosen, 1)
        MEMES.quote(prompt, chosen, found)

    with pytest.raises(InvalidInput) as raised:
        order()
    return raised.value.code, raised.value.field


def test_what_is_too_long_or_too_large_is_refused_before_anything_is_decoded(short, tmp_path, monkeypatch):
    large = {**short.media, "fps": 30.0, "width": 1920, "height": 1080}
    assert refused([large | {"duration": 61.0}]) == ("INPUT_TOO_LARGE", "input_files")
    assert refused([large | {"duration": 40.0, "fps": 240.0}]) == ("INPUT_TOO_LARGE", "input_files")
    assert refused([large | {"duration": 50.0}], format="gif") == ("INPUT_TOO_LARGE", "options.size")
    monkeypatch.setattr(media, "MAX_MOVING_PIXELS", 9 * 400 * 300)
    pages = [Image.new("RGB", (400, 300), (number * 20, 0, 0)) for number in range(10)]
    pages[0].save(tmp_path / "bomb.gif", save_all=True, append_images=pages[1:], duration=100)
    bomb = probe_image(tmp_path / "bomb.gif")
    assert bomb["frames"] == 10
    assert "duration" not in bomb
    assert refused([bomb]) == ("INPUT_TOO_LARGE", "input_files")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"times": [{}]}, "options.times"),
        ({"times": [{"start": 1, "end": 1}, {}]}, "options.times.0.end"),
        ({"times": [{"place": "bottom"}, {}]}, "options.times"),
        ({"times": [{}, {"start": 3}]}, "options.times"),
        ({"layout": "panels"}, "options.layout"),
        ({"format": "png"}, "options.format"),
        ({"size": 1200}, "options.size"),
    ],
)
def test_options_that_do_not_suit_a_film_are_refused_with_their_field(short, options, field):
    assert refused([short.media], **options) == ("INVALID_INPUT", field)


def test_times_need_something_that_moves_and_a_film_stands_alone(short):
    still = {"kind": "image", "format": "png", "width": 40, "height": 30, "animated": False}
    assert refused([still], times=[{}, {}])[1] == "options.times"
    assert refused([short.media, still])[1] == "input_files"
