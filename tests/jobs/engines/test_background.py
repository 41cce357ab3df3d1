import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from services.jobs.engines import TOOLS, InputFile, InvalidInput
from services.jobs.engines.background.engine import BackgroundOptions
from services.jobs.engines.media import probe_image

BACKGROUND = TOOLS["background"]
SIZE = 240
RED = (200, 30, 40)


def product(path, *, size=SIZE, shade=(0, 0, 0), noise=0.0, low=False):
    """A red ring on a light ground that darkens downwards by `shade`; `low` puts it over the lower edge."""
    down = np.linspace(0, 1, size)[:, None, None]
    pixels = np.array([235.0, 236.0, 240.0]) - down * np.array(shade, dtype=float) + np.zeros((size, size, 3))
    pixels += np.random.default_rng(1).normal(0, noise, pixels.shape) if noise else 0
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    drop = size // 3 if low else 0
    box = (size // 4, size // 4 + drop, 3 * size // 4, 3 * size // 4 + drop)
    ImageDraw.Draw(picture).ellipse(box, outline=RED, width=size // 8)
    picture.save(path)
    return InputFile(path, probe_image(path))


def made(run, given, **options) -> np.ndarray:
    run.inputs[:] = given
    [file] = BACKGROUND.run(run, None, BackgroundOptions(**options)).files
    with Image.open(file.path) as picture:
        assert picture.size == (file.width, file.height)
        return np.asarray(picture).astype(int)


@pytest.mark.parametrize("look", [{}, {"shade": (60, 60, 50)}, {"noise": 4.0}, {"low": True}], ids=str)
def test_a_plain_background_goes_and_the_subject_stays(run, tmp_path, look):
    seen = made(run, [product(tmp_path / "in.png", **look)])
    alpha = seen[..., 3]
    assert alpha[:40].max() == 0
    subject = np.abs(seen[..., :3] - RED).max(axis=2) < 12
    assert subject.sum() > 0.05 * SIZE * SIZE
    assert alpha[subject].min() > 250


def test_what_the_subject_encloses_is_not_taken_for_background(run, tmp_path):
    alpha = made(run, [product(tmp_path / "in.png")])[..., 3]
    assert alpha[SIZE // 2, SIZE // 2] == 255


def test_a_large_picture_keeps_its_size_and_its_edges(run, tmp_path):
    alpha = made(run, [product(tmp_path / "in.png", size=1600)])[..., 3]
    assert alpha.shape == (1600, 1600)
    # Left of the ring, on it, and the change between them within a few pixels.
    row = alpha[800, 380:420]
    assert (row[0], row[-1]) == (0, 255)
    assert ((row > 0) & (row < 255)).sum() <= 6


def test_a_soft_edge_keeps_no_rim_of_the_old_background(run, tmp_path):
    product(tmp_path / "sharp.png", size=600)
    with Image.open(tmp_path / "sharp.png") as sharp:
        sharp.filter(ImageFilter.GaussianBlur(1.5)).save(tmp_path / "in.png")
    seen = made(run, [InputFile(tmp_path / "in.png")], ground="colour", colour="#000000")
    # Left of the ring and into its middle: halfway between red and near white, no channel but red may shine.
    assert seen[300, 130:170, 2].max() < 110


def test_a_colour_a_gradient_and_a_picture_come_behind(run, tmp_path):
    given = product(tmp_path / "in.png")
    assert made(run, [given], ground="colour", colour="#00ff00", format="webp").shape == (SIZE, SIZE, 3)
    shaded = made(run, [given], ground="gradient", colour="#000000", colour_below="#0000ff")
    assert tuple(shaded[0, 0]) == (0, 0, 0)
    assert shaded[-1, 0][2] > 250
    Image.new("RGB", (50, 90), "#123456").save(tmp_path / "behind.png")
    behind = InputFile(tmp_path / "behind.png", {"kind": "image"})
    assert tuple(made(run, [given, behind], ground="picture")[5, 5]) == (0x12, 0x34, 0x56)


def test_a_busy_background_is_refused_as_nothing_good_would_come_of_it(run, tmp_path):
    pixels = np.random.default_rng(2).integers(0, 255, (30, 30, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((SIZE, SIZE), Image.Resampling.NEAREST).save(tmp_path / "in.png")
    with pytest.raises(InvalidInput, match="isn't plain"):
        made(run, [InputFile(tmp_path / "in.png")])


def test_an_empty_picture_is_refused(run, tmp_path):
    Image.new("RGB", (SIZE, SIZE), "#eeeeee").save(tmp_path / "in.png")
    with pytest.raises(InvalidInput, match="nothing before"):
        made(run, [InputFile(tmp_path / "in.png")])


@pytest.mark.parametrize(
    ("options", "inputs", "field"),
    [
        ({}, 2, "input_files"),
        ({"ground": "picture"}, 1, "input_files"),
        ({"format": "jpeg"}, 1, "options.format"),
    ],
)
def test_what_can_not_be_done_is_refused_before_a_job_is_made(options, inputs, field):
    with pytest.raises(InvalidInput) as refused:
        BACKGROUND.check(None, BackgroundOptions(**options), inputs)
    assert refused.value.field == field
