"""Memes whose captions appear one after another, as a GIF and as a film."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageSequence

from services.jobs.catalogue import plan_work, price
from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras, typeset
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.memes import motion, templates
from services.jobs.engines.memes.options import MemeOptions
from services.jobs.engines.typeset import Box
from services.jobs.errors import InvalidJob

MEMES = TOOLS["memes"]
WORDS = "just one quick email | the cat: no"
SIZE = 360


@pytest.fixture(scope="module")
def joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def made(run, prompt=WORDS, **options):
    chosen = {"template": "laptop-cat", "size": SIZE} | options
    if run.inputs:
        chosen.pop("template")
    output = MEMES.run(run, prompt, MemeOptions(**chosen))
    return output.files[0], output


def frames_of(path):
    """Each frame as it is seen and how long it stays, in milliseconds."""
    with Image.open(path) as loop:
        assert loop.info["loop"] == 0
        pages = ImageSequence.Iterator(loop)
        found = [(np.asarray(page.convert("RGB")).astype(int), page.info["duration"]) for page in pages]
    return [picture for picture, _ in found], [stay for _, stay in found]


def still(run, tmp_path, prompt=WORDS):
    run = replace(run, workdir=tmp_path / "still")
    run.workdir.mkdir()
    file, _ = made(run, prompt, format="png")
    return np.asarray(Image.open(file.path)).astype(int)


def bare():
    return np.asarray(templates.drawn("laptop-cat", SIZE)).astype(int)


def far(one, other):
    """How far two pictures are from each other on average, of 255."""
    return np.abs(one - other).mean()


@pytest.mark.parametrize("animation", motion.ANIMATIONS)
def test_a_loop_goes_from_the_bare_picture_to_the_whole_meme(run, tmp_path, animation):
    file, output = made(run, format="gif", animation=animation)
    assert (file.content_type, file.kind) == ("image/gif", "image")
    pictures, stays = frames_of(file.path)
    assert sum(stays) == round(file.duration * 1000)
    assert sum(stays) == motion.frames_of(WORDS.split(" | "), animation, 2) * 50
    assert stays[-1] >= 2000
    assert far(pictures[0], bare()) < 3
    assert far(pictures[-1], still(run, tmp_path)) < 3
    assert far(pictures[-1], bare()) > 6
    assert output.units == {"ai_generations": 1, "images": 1}


@pytest.mark.parametrize("animation", motion.ANIMATIONS)
def test_captions_come_in_their_order_and_nothing_else_moves(run, animation):
    file, _ = made(run, format="gif", animation=animation)
    pictures, _ = frames_of(file.path)
    top, middle, bottom = np.s_[: SIZE * 3 // 10], np.s_[SIZE * 35 // 100 : SIZE * 65 // 100], np.s_[SIZE * 7 // 10 :]
    moved = {"top": [], "bottom": []}
    for number, (before, after) in enumerate(pairwise(pictures)):
        assert np.array_equal(before[middle], after[middle])
        for name, part in (("top", top), ("bottom", bottom)):
            if not np.array_equal(before[part], after[part]):
                moved[name].append(number)
    assert len(moved["top"]) > 4
    assert len(moved["bottom"]) > 4
    assert max(moved["top"]) < min(moved["bottom"])


def test_a_pop_shoots_a_little_over_its_size_and_comes_back(run):
    file, _ = made(run, "WWWW |", format="gif", animation="pop")
    pictures, _ = frames_of(file.path)
    inked = [np.abs(picture - pictures[0]).max(axis=2) > 60 for picture in pictures[1:]]
    widths = [np.flatnonzero(one.any(axis=0)) for one in inked]
    widths = [int(found[-1] - found[0]) for found in widths if len(found)]
    assert widths[0] < 0.8 * widths[-1]
    assert widths[-1] < max(widths) < 1.15 * widths[-1]


def test_a_fade_comes_evenly(run):
    file, _ = made(run, "hello |", format="gif", animation="fade")
    pictures, _ = frames_of(file.path)
    strength = [far(picture, pictures[0]) for picture in pictures]
    assert all(later >= earlier - 0.05 for earlier, later in pairwise(strength))
    assert strength[len(strength) // 2] == pytest.approx(strength[-1] / 2, rel=0.25)


@pytest.mark.parametrize(
    ("words", "first"),
    [("hello world", "left"), ("שלום עולם", "right"), ("🎉🎉🎉🎉", "left"), ("e\u0301e\u0301e\u0301e\u0301", "left")],
)
def test_a_typewriter_writes_whole_letters_in_reading_order_and_never_moves_one(words, first):
    box = Box(10, 10, 400, 90)
    block = typeset.typeset(words, box, templates.OUTLINED)
    assert block is not None
    whole = drawn(block)
    last = np.zeros_like(whole, dtype=bool)
    for step in range(1, 11):
        ink = drawn(motion.typed(block, step / 10)) > 0
        assert (ink | last).sum() <= ink.sum() * 1.02, "what was written stays where it is"
        last = ink
        columns = np.flatnonzero(ink.any(axis=0))
        if step == 3 and len(columns):
            middle = np.flatnonzero((whole > 0).any(axis=0)).mean()
            assert (columns.mean() < middle) == (first == "left")
    assert np.array_equal(drawn(motion.typed(block, 1)), whole)


def drawn(block):
    page = Image.new("RGB", (420, 110))
    typeset.draw(page, block, "#ffffff", "#888888")
    return np.asarray(page.convert("L"))


@pytest.mark.usefixtures("joined")
def test_a_film_has_the_size_the_pace_and_the_length_it_says_and_ends_as_the_still_meme(run, tmp_path):
    import av  # noqa: PLC0415 - of the engines' own packages

    file, output = made(run, format="mp4", animation="typewriter", hold_seconds=1)
    probed = probe_film(file.path, "video/mp4")
    assert (probed["width"], probed["height"], probed["fps"]) == (SIZE, SIZE, 20)
    assert (file.content_type, file.kind, probed["has_sound"]) == ("video/mp4", "video", False)
    count = motion.frames_of(WORDS.split(" | "), "typewriter", 1)
    assert probed["duration"] == pytest.approx(count / 20, abs=0.05)
    assert output.units == {"ai_generations": 1, "images": 1, "export_seconds": -(-count // 20)}
    with av.open(str(file.path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    assert len(pictures) == count
    assert far(pictures[0], bare()) < 4
    assert far(pictures[-1], still(run, tmp_path)) < 4


@pytest.mark.usefixtures("joined")
def test_an_odd_side_loses_a_pixel_in_a_film(run, tmp_path):
    Image.new("RGB", (401, 303), "teal").save(tmp_path / "odd.png")
    run.inputs = [InputFile(tmp_path / "odd.png")]
    file, _ = made(run, "odd |", format="mp4", size=401, hold_seconds=0.5)
    probed = probe_film(file.path, "video/mp4")
    assert (probed["width"], probed["height"]) == (file.width, file.height) == (400, 302)


@pytest.mark.parametrize("animation", motion.ANIMATIONS)
def test_what_is_held_is_what_is_used(run, animation):
    chosen = {"format": "mp4", "animation": animation, "hold_seconds": 3.3}
    held = price(plan_work(MEMES, "a || b b b", chosen, 0), "a || b b b", []).units
    frames = motion.frames_of(["a", "", "b b b"], animation, 3.3)
    assert held == {"ai_generations": 1, "images": 1, "export_seconds": -(-frames // 20)}
    assert MEMES.quote("a | b", MemeOptions(format="gif"), []).units == {"ai_generations": 1, "images": 1}


def test_without_the_engines_packages_a_loop_is_made_and_a_film_is_refused_with_the_reason(run, tmp_path, monkeypatch):
    monkeypatch.setenv(extras.FOLDER_VARIABLE, str(tmp_path / "nowhere"))
    file, _ = made(run, format="gif")
    assert file.path.stat().st_size > 1000
    with pytest.raises(InvalidJob) as refused:
        plan_work(MEMES, WORDS, {"format": "mp4"}, 0)
    [error] = refused.value.errors
    assert error["field"] == "options.format"
    assert "not installed yet" in error["detail"]


@pytest.mark.parametrize("form", ["gif", "mp4"])
def test_what_moves_is_not_wider_than_a_screen(run, form):
    with pytest.raises(InvalidInput) as refused:
        made(run, format=form, size=1081)
    assert refused.value.field == "options.size"


def test_a_loop_is_smaller_than_a_picture_unless_asked(run):
    output = MEMES.run(run, WORDS, MemeOptions(format="gif", template="laptop-cat"))
    assert output.files[0].width == 600
    assert (MemeOptions().width, MemeOptions(format="mp4").width, MemeOptions(size=900).width) == (1080, 1080, 900)
