"""A figure speaks: its mouth moves with the voice it is heard with, and rests when nobody speaks."""

import itertools

import numpy as np
import pytest
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.avatar import looks, portrait, puppet, sway
from services.jobs.engines.avatar.character import character_of, drawing, mouth_drawing, mouth_place
from services.jobs.engines.avatar.engine import SIZES, AvatarOptions
from services.jobs.engines.avatar.faces import Eye, Face, find_face, with_lips
from services.jobs.engines.avatar.mouths import REST, Mouth, blinks, mouths
from services.jobs.engines.film.planes import of_picture, planes
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.media import probe_image
from services.jobs.engines.speech.listening import sound_of
from services.jobs.engines.speech.performance import perform
from services.jobs.engines.speech.voices import RATE as VOICE_RATE
from services.jobs.engines.speech.voices import Word
from services.jobs.engines.vector import rasterise
from tests.jobs.engines.conftest import Run
from tests.support.speech import heard, loudness, word_error_rate

AVATAR = TOOLS["avatar"]
SCRIPT = "Good morning, my dear friends. [pause 1.2] Today we bake a wonderful apple pie."


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def film_of(path):
    return InputFile(path, probe_film(path, "video/mp4"))


def frames_of(film):
    """Every frame at a quarter of its size."""
    import av  # noqa: PLC0415 - of the engines' own packages

    with av.open(str(film.path), format="mov") as container:
        decoded = (frame.to_ndarray(width=270, height=270, format="rgb24") for frame in container.decode(video=0))
        return np.stack(list(decoded)).astype(np.int16)


def levels_of(film, count):
    """How loud the finished film is at each frame."""
    voice = sound_of(film)
    size = VOICE_RATE // 30
    cut = np.pad(voice, (0, count * size))[: count * size].reshape(count, size)
    return np.sqrt((cut**2).mean(axis=1))


def pause_in(words):
    """The middle of the longest pause, in seconds."""
    pairs = itertools.pairwise(words)
    return max((other["start"] - one["end"], (other["start"] + one["end"]) / 2) for one, other in pairs)[1]


@pytest.fixture(scope="module")
def spoken():
    options = AvatarOptions()
    return perform("Good morning, my dear friends.", options.pauses, options.manner, 30)


@pytest.fixture(scope="module")
def character(tmp_path_factory):
    run = Run(tmp_path_factory.mktemp("character"), seed=4)
    output = AVATAR.run(run, SCRIPT, AvatarOptions(captions=False))
    return run, output, film_of(output.files[0].path)


def test_the_film_is_what_it_says_and_is_understood(character):
    run, output, film = character
    shape = {"width": 1080, "height": 1080, "fps": 30.0, "has_sound": True}
    assert {name: film.media[name] for name in shape} == shape
    assert film.media["duration"] == pytest.approx(output.files[0].duration, abs=1 / 30)
    assert loudness(film.path) == pytest.approx(-16, abs=1)
    assert word_error_rate(SCRIPT.replace("[pause 1.2] ", ""), heard(film.path)) < 0.1
    assert [percent for percent, _ in run.reported] == sorted(percent for percent, _ in run.reported)
    held = AVATAR.quote(SCRIPT, AvatarOptions(), []).units
    assert all(0 < output.units[metric] <= held[metric] for metric in held)


def test_the_mouth_of_the_character_moves_with_the_voice_and_rests_in_a_pause(character):
    _, output, film = character
    frames = frames_of(film)
    # The inside of the mouth is the only dark red there is.
    mouth = (np.abs(frames[:, 150:200, 100:170] - (87, 28, 38)).max(axis=3) < 30).sum(axis=(1, 2))
    levels = levels_of(film, len(frames))
    assert np.corrcoef(mouth, np.sqrt(levels))[0, 1] > 0.6
    pause = round(pause_in(output.data["timings"]["words"]) * 30)
    assert mouth[pause - 5 : pause + 5].max() == 0
    assert mouth.max() > 60
    lagging = [np.corrcoef(np.roll(mouth, -lag), np.sqrt(levels))[0, 1] for lag in range(-10, 11)]
    assert abs(int(np.argmax(lagging)) - 10) <= 3


@pytest.mark.slow
def test_a_puppets_jaw_moves_with_the_voice(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "square", (540, 540))
    Image.radial_gradient("L").resize((600, 600)).point(lambda light: 200 - light // 4).convert("RGB").save(
        tmp_path / "face.png"
    )
    picture = InputFile(tmp_path / "face.png", probe_image(tmp_path / "face.png"))
    run = Run(tmp_path, inputs=[picture])
    options = AvatarOptions(look="puppet", mouth={"x": 0.5, "y": 0.6, "width": 0.2}, captions=False)
    output = AVATAR.run(run, "Hello. [pause 0.7] Bye.", options)
    film = film_of(output.files[0].path)
    frames = frames_of(film)
    dark = (np.abs(frames[:, 135:185, 105:165] - (34, 10, 13)).max(axis=3) < 30).sum(axis=(1, 2))
    assert np.corrcoef(dark, np.sqrt(levels_of(film, len(frames))))[0, 1] > 0.5
    pause = round(pause_in(output.data["timings"]["words"]) * 30)
    assert dark[pause - 5 : pause + 5].max() == 0
    assert dark.max() > 60


def test_a_jaw_opens_at_the_mouth_and_leaves_the_rest_of_the_picture_alone():
    picture = np.random.default_rng(1).integers(100, 200, (400, 400, 3)).astype(np.uint8)
    face = Face(200, 220, 80)
    assert np.array_equal(puppet.speaking(picture, face, Mouth(0, 0.65)), picture)
    half, wide = (puppet.speaking(picture, face, Mouth(opened, 0.65)) for opened in (0.5, 1.0))
    dark = [(made[:, :, 0] < 70).sum() for made in (half, wide)]
    assert 0 < dark[0] < dark[1]
    for made in (half, wide):
        changed = np.argwhere((made != picture).any(axis=2))
        assert changed.min(axis=0)[0] >= 219
        assert changed.min(axis=0)[1] >= 200 - 1.12 * 80
        assert changed.max(axis=0)[0] <= 220 + 1.7 * 80


def test_the_chin_drops_as_far_as_the_mouth_opens():
    picture = np.full((400, 400, 3), 180, np.uint8)
    picture[250:254], face = 20, Face(200, 220, 80)
    heights = [
        int(puppet.speaking(picture, face, Mouth(opened, 0.65))[249:, 200, 0].argmin()) for opened in (0, 0.5, 1)
    ]
    assert heights[0] == 1
    assert heights[0] + 5 < heights[1] < heights[2] - 2


@pytest.fixture(scope="module")
def page():
    """A drawn face of 600 pixels, to the right on a wider page."""
    who, size = character_of(4, "long"), (600, 600)
    face = rasterise(drawing(who, lids=0, size=size), *size)
    place, box = mouth_place(size)
    face.alpha_composite(rasterise(mouth_drawing(Mouth(0.3, 0.6)), *box), place)
    page = Image.new("RGB", (1400, 800), "#dddddd")
    page.paste(face, (560, 150))
    return page


def test_a_face_is_found_with_its_mouth_wherever_it_is_in_the_picture(page):
    found = find_face(page)
    assert (found.x, found.y) == (pytest.approx(860, abs=45), pytest.approx(150 + 0.632 * 600, abs=45))
    assert 60 < found.width < 200
    assert [(eye.x, eye.y) for eye in found.eyes] == [
        (pytest.approx(560 + x * 0.6, abs=20), pytest.approx(150 + 460 * 0.6, abs=20)) for x in (400, 600)
    ]


def test_the_ring_is_around_the_face(page, spoken):
    shown = looks.portrait(page, None, spoken, (480, 480), "#00ff80", 1)(0)
    bright, blue, red = planes(shown)
    found = find_face(Image.merge("YCbCr", [Image.fromarray(one).resize((480, 480)) for one in (bright, blue, red)]))
    assert found.x == pytest.approx(240, abs=12)
    assert 160 < found.y < 280


def lips(*, teeth):
    """A plain face's mouth: an upper lip, perhaps teeth, and a lower lip that begins at row 220."""
    picture = np.full((400, 400, 3), (222, 184, 160), np.uint8)
    picture[195:240, 150:250] = (190, 90, 95)
    picture[208:220, 150:250] = (245, 240, 230) if teeth else (190, 90, 95)
    picture[217:220, 150:250] = (245, 240, 230) if teeth else (110, 70, 66)
    return Image.fromarray(picture)


@pytest.mark.parametrize("teeth", [True, False])
def test_lips_part_above_the_lower_one_wherever_the_detector_guessed(teeth):
    for guessed in (205, 225):
        found = with_lips(lips(teeth=teeth), Face(200, guessed, 100))
        assert (found.y, found.shows_teeth) == (pytest.approx(220, abs=3), teeth)


def test_where_no_lip_stands_out_the_guess_is_kept():
    guessed = Face(200, 220, 100)
    assert with_lips(Image.new("RGB", (400, 400), "#c0b0a0"), guessed) == guessed


def test_lids_close_over_the_eyes_and_touch_nothing_else():
    picture = np.full((200, 300, 3), (222, 184, 160), np.uint8)
    picture[94:107, 85:116] = picture[94:107, 185:216] = (20, 20, 60)
    face = Face(150, 170, 60, eyes=(Eye(100, 100, 22, 9), Eye(200, 100, 22, 9)))
    dark = [(puppet.speaking(picture, face, REST, lids)[:, :, 0] < 60).sum() for lids in (0, 0.5, 1.0)]
    assert dark[0] > dark[1] > 3 * dark[2]
    changed = np.argwhere((puppet.speaking(picture, face, REST, 1.0) != picture).any(axis=2))
    assert (changed.min(axis=0) >= (70, 70)).all()
    assert (changed.max(axis=0) <= (110, 230)).all()


def test_a_photos_head_sways_before_a_ground_that_stands_still(spoken):
    size = (480, 480)
    noise = np.random.default_rng(1).integers(0, 255, (60, 60, 3)).astype(np.uint8)
    frame = of_picture(Image.fromarray(noise).resize(size))
    moved = sway.head(spoken, Face(240, 380, 48), size)
    frames = np.stack([moved(frame, number) for number in range(0, spoken.count, 6)]).astype(int)[:, :480]
    change = np.abs(frames - frame[:480]).mean(axis=0)
    assert change[300:380, 200:280].mean() > 4
    for edge in (change[:4], change[-4:], change[:, :4], change[:, -4:], change[:90, :90], change[:90, -90:]):
        assert edge.max() == 0
    assert np.abs(np.diff(frames, axis=0)).mean() < 12, "it never jumps"


def test_a_picture_without_a_face_makes_no_puppet(tmp_path):
    Image.new("RGB", (400, 400), "#88aa66").save(tmp_path / "lawn.png")
    run = Run(tmp_path, inputs=[InputFile(tmp_path / "lawn.png", probe_image(tmp_path / "lawn.png"))])
    with pytest.raises(InvalidInput, match="No face"):
        AVATAR.run(run, "Hello.", AvatarOptions(look="puppet"))


@pytest.mark.slow
def test_the_ring_of_a_portrait_follows_the_sound(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "square", (540, 540))
    options = AvatarOptions(look="portrait", captions=False, accent="#00ff80")
    output = AVATAR.run(Run(tmp_path, seed=2), "Hello. [pause 0.7] Bye.", options)
    frames = frames_of(film_of(output.files[0].path))
    ring = (np.abs(frames - (0, 255, 128)).max(axis=3) < 90).sum(axis=(1, 2))
    words = output.data["timings"]["words"]
    pause, said = (round(time * 30) for time in (pause_in(words) + 0.3, (words[0]["start"] + words[0]["end"]) / 2))
    assert ring[said] > 1.3 * ring[pause] > 0


def test_rays_are_as_long_as_their_band_is_loud():
    time = np.arange(VOICE_RATE) / VOICE_RATE
    quiet_then_tone = np.concatenate([np.zeros(VOICE_RATE), np.sin(2 * np.pi * 1000 * time)])
    levels = portrait.spectra(quiet_then_tone, 60, 30)
    assert levels[:25].max() < 0.01
    loudest = levels[45].argmax() / levels.shape[1]
    assert 120 * (5000 / 120) ** loudest == pytest.approx(1000, rel=0.15)


def test_letters_that_close_lips_close_them_and_vowels_open_them():
    voice = np.random.default_rng(1).normal(0, 0.2, 2 * VOICE_RATE)
    shapes = mouths([Word("mamama", 0.5, 1.7, 0)], voice, 60, 30)
    opened = np.array([shape.opened for shape in shapes])
    assert opened[:15].max() == 0
    assert opened[-3:].max() < 0.05
    peaks = [opened[15 + 12 * turn : 27 + 12 * turn].max() for turn in range(3)]
    lows = [opened[15 + 12 * turn : 19 + 12 * turn].min() for turn in range(3)]
    assert min(peaks) > 0.6
    assert max(lows) < 0.35


def test_eyes_blink_now_and_then_and_soon_open_again():
    closed = blinks(900, 30, 7)
    assert 6 <= sum(lids == 1 for lids in closed.values()) / 2 <= 16
    assert {lids for frame, lids in closed.items() if frame - 1 not in closed} == {0.5}
    assert closed == blinks(900, 30, 7)


@pytest.mark.parametrize(
    ("options", "inputs", "field"),
    [({"look": "puppet"}, 0, "input_files"), ({"look": "character"}, 1, "input_files")],
)
def test_each_look_says_whether_it_takes_a_picture(options, inputs, field):
    with pytest.raises(InvalidInput) as refused:
        AVATAR.check("Hello.", AvatarOptions(**options), inputs)
    assert refused.value.field == field
