import numpy as np
import pytest
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput
from services.jobs.engines.resize.engine import MAX_INPUTS, ResizeOptions

RESIZE = TOOLS["resize"]


def halves(size=(400, 200)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, "#ff0000")
    image.paste("#0000ff", (size[0] // 2, 0, *size))
    return image


def given(run, image, name="in.png", **options) -> None:
    path = run.workdir / name
    image.save(path, **options)
    run.inputs.append(InputFile(path))


def made(run, **options) -> Image.Image:
    output = RESIZE.run(run, None, ResizeOptions(**options))
    image = Image.open(output.files[0].path)
    image.load()
    assert image.size == (output.files[0].width, output.files[0].height)
    return image


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 100}, (100, 50)),
        ({"width": None, "height": 100}, (200, 100)),
        ({"width": 100, "height": 100}, (100, 50)),
        ({"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "pad"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "blur"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "stretch"}, (100, 100)),
        ({"width": 800}, (400, 200)),
        ({"width": 800, "enlarge": True}, (800, 400)),
        ({"width": 1, "height": 1}, (1, 1)),
    ],
)
def test_the_picture_gets_the_size_asked_for(run, options, size):
    given(run, halves())
    assert made(run, **options).size == size


def test_cover_keeps_what_is_in_focus(run):
    given(run, halves())
    for focus, colour in (("left", (255, 0, 0)), ("right", (0, 0, 255))):
        pixels = np.asarray(made(run, width=100, height=100, fit="cover", focus=focus))
        assert np.abs(pixels[:, 5:95].reshape(-1, 3).mean(axis=0) - colour).max() < 2


def test_pad_shows_all_of_the_picture_on_the_colour(run):
    given(run, halves())
    image = made(run, width=100, height=100, fit="pad", background="#00ff00")
    assert [image.getpixel(at) for at in ((50, 10), (50, 90), (10, 50), (90, 50))] == [
        (0, 255, 0),
        (0, 255, 0),
        (255, 0, 0),
        (0, 0, 255),
    ]


def test_blur_fills_the_rest_with_a_darker_picture_of_itself(run):
    given(run, halves())
    image = made(run, width=200, height=200, fit="blur")
    red, _, blue = image.getpixel((10, 10))
    assert 120 < red < 220
    assert blue < 30
    assert image.getpixel((10, 100)) == (255, 0, 0)


def test_transparency_is_kept_unless_a_ground_or_the_format_takes_it(run):
    given(run, Image.new("RGBA", (40, 40), (255, 0, 0, 0)))
    assert made(run, width=20).getpixel((5, 5))[3] == 0
    assert made(run, width=20, background="#0000ff").getpixel((5, 5)) == (0, 0, 255)
    assert min(made(run, width=20, format="jpeg").getpixel((5, 5))) > 250


def test_a_phone_picture_is_turned_upright_and_tells_nothing_of_the_phone(run):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret maker"
    given(run, halves(), "in.jpg", exif=exif)
    image = made(run, width=100, format="jpeg")
    assert image.size == (100, 200)
    assert not image.getexif()


def test_ten_pictures_are_resized_in_one_run_with_progress_that_grows(run):
    for index in range(MAX_INPUTS):
        given(run, halves(), f"{index}.png")
    output = RESIZE.run(run, None, ResizeOptions(width=50, format="webp"))
    for file in output.files:
        with Image.open(file.path) as image:
            assert (image.format, image.width) == ("WEBP", 50)
    assert len({file.name for file in output.files}) == MAX_INPUTS
    percents = [percent for percent, _ in run.reported]
    assert percents == sorted(percents)
    assert percents[-1] == 100


@pytest.mark.parametrize(
    ("options", "inputs", "field"),
    [({}, 0, "input_files"), ({"width": None}, 1, "options.width")],
)
def test_what_can_not_be_done_is_refused_before_work_with_its_field(options, inputs, field):
    with pytest.raises(InvalidInput) as refused:
        RESIZE.check(None, ResizeOptions(**options), inputs)
    assert refused.value.field == field


def test_a_strip_that_would_become_too_long_is_refused(run):
    given(run, Image.new("RGB", (4, 400)))
    with pytest.raises(InvalidInput) as refused:
        made(run, width=1000)
    assert refused.value.code == "INPUT_TOO_LARGE"


def test_a_damaged_picture_is_refused(run):
    given(run, halves())
    path = run.inputs[0].path
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(InvalidInput) as refused:
        made(run)
    assert refused.value.code == "UNSUPPORTED_MEDIA"
