import numpy as np
import pytest
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput
from services.jobs.engines.instagram.filters import LOOKS, filtered
from services.jobs.engines.instagram.options import SAFE_AREAS, SIZES, InstagramOptions

INSTAGRAM = TOOLS["instagram"]


def given(run, image, name="in.png") -> None:
    image.save(run.workdir / name)
    run.inputs.append(InputFile(run.workdir / name))


def made(run, prompt=None, **options):
    output = INSTAGRAM.run(run, prompt, InstagramOptions(format="png", **options))
    return output, [np.array(Image.open(file.path).convert("RGB")) for file in output.files]


def spectrum(width: int, height: int) -> Image.Image:
    """Every column another colour, so that a lost or doubled one shows."""
    across = np.linspace(0, 255, width)
    columns = np.stack([across, 255 - across, np.abs(across - 128)], axis=1).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(columns, (height, width, 3)).copy())


@pytest.mark.parametrize(("place", "size"), SIZES.items())
@pytest.mark.parametrize("fit", ["cover", "pad", "blur"])
def test_every_place_gets_its_exact_size(run, place, size, fit):
    given(run, spectrum(300, 200))
    output, [pixels] = made(run, place=place, fit=fit)
    assert (output.files[0].width, output.files[0].height) == size == pixels.shape[1::-1]


@pytest.mark.parametrize("place", SIZES)
@pytest.mark.parametrize("words", ["Short", "Twelve words that have to be broken into a few lines to fit 🎉"])
def test_words_stay_in_the_safe_area(run, place, words):
    given(run, Image.new("RGB", (200, 200), "#3377aa"))
    _, [bare] = made(run, place=place)
    output, [written] = made(run, words, place=place)
    rows, columns = np.nonzero((bare != written).any(axis=2))
    assert rows.size > 500
    safe = SAFE_AREAS[place]
    assert safe.x <= columns.min() <= columns.max() < safe.right
    assert safe.y <= rows.min() <= rows.max() < safe.bottom
    assert output.data["safe_area"] == list(safe)


def test_words_stay_inside_a_wide_border(run):
    given(run, Image.new("RGB", (200, 200), "#3377aa"))
    _, [bare] = made(run, frame=160, background="#ffffff")
    _, [written] = made(run, "W" * 60, frame=160, background="#ffffff")
    rows, columns = np.nonzero((bare != written).any(axis=2))
    assert 160 < columns.min() <= columns.max() < 920
    assert rows.max() < 1350 - 160


def test_words_too_long_for_their_place_are_refused_and_not_cut(run):
    given(run, spectrum(300, 200))
    with pytest.raises(InvalidInput) as refused:
        made(run, "M" * 200, place="landscape")
    assert refused.value.code == "INPUT_TOO_LARGE"


def test_slides_of_a_wide_picture_join_without_a_seam(run):
    whole = spectrum(3240, 1080)
    given(run, whole)
    output, slides = made(run, place="square", slices=3)
    assert [file.name for file in output.files] == ["slide-1.png", "slide-2.png", "slide-3.png"]
    assert (np.concatenate(slides, axis=1) == np.array(whole)).all()


def test_several_pictures_make_as_many_slides_in_their_order(run):
    for index, colour in enumerate(("#ff0000", "#00ff00", "#0000ff")):
        given(run, Image.new("RGB", (60, 60), colour), f"{index}.png")
    _, slides = made(run)
    assert [int(slide[600, 500].argmax()) for slide in slides] == [0, 1, 2]


def test_the_look_is_on_the_picture_and_not_on_the_border_or_ground(run):
    given(run, Image.new("RGB", (300, 100), "#ff0000"))
    _, [pixels] = made(run, fit="pad", filter="mono", background="#12ab34", frame=40)
    assert tuple(pixels[10, 10]) == tuple(pixels[200, 500]) == (0x12, 0xAB, 0x34)
    assert np.ptp(pixels[675, 540]) == 0


def test_every_look_differs_from_every_other_and_none_changes_nothing():
    picture = spectrum(256, 4)
    seen = {name: np.asarray(filtered(picture, name), dtype=float) for name in LOOKS}
    assert (seen["none"] == np.asarray(picture)).all()
    for name, one in seen.items():
        assert all(np.abs(one - seen[other]).mean() > 4 for other in seen if other != name)
    for grey in ("mono", "noir"):
        assert np.ptp(seen[grey], axis=2).max() == 0
    assert seen["warm"][..., 0].mean() > seen["cool"][..., 0].mean()
    assert seen["warm"][..., 2].mean() < seen["cool"][..., 2].mean()


@pytest.mark.parametrize(
    ("options", "inputs", "field"),
    [
        ({}, 0, "input_files"),
        ({"slices": 2}, 2, "options.slices"),
        ({"slices": 2, "frame": 10}, 1, "options.slices"),
        ({"slices": 2, "place": "story"}, 1, "options.place"),
    ],
)
def test_what_can_not_be_done_is_refused_before_work_with_its_field(options, inputs, field):
    with pytest.raises(InvalidInput) as refused:
        INSTAGRAM.check(None, InstagramOptions(**options), inputs)
    assert refused.value.field == field
