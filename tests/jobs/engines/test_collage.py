import itertools

import numpy as np
import pytest
from hypothesis import given as for_any
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput
from services.jobs.engines.collage.engine import MAX_INPUTS, SIZES, CollageOptions
from services.jobs.engines.collage.layouts import LAYOUTS, mosaic

COLLAGE = TOOLS["collage"]
COLOURS = ["#ff0000", "#00ff00", "#0000ff", "#ffff00", "#00ffff", "#ff00ff", "#800000", "#008000", "#000080"]
SHAPES = [(300, 200), (200, 300), (240, 240), (400, 200), (200, 400), (300, 225), (225, 300), (200, 200), (320, 180)]


def given(run, count: int) -> None:
    for index in range(count):
        path = run.workdir / f"in-{index}.png"
        Image.new("RGB", SHAPES[index], COLOURS[index]).save(path)
        run.inputs.append(InputFile(path))


def made(run, **options):
    output = COLLAGE.run(run, None, CollageOptions(format="png", **options))
    return output, Image.open(output.files[0].path).convert("RGB")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [2, 3, 5, MAX_INPUTS])
def test_every_picture_is_shown_in_its_place_and_nothing_else_is(run, layout, count):
    given(run, count)
    output, image = made(run, layout=layout, size="portrait", background="#101010", gutter=20, margin=30)
    assert image.size == (1080, 1350)
    pixels = np.array(image)
    for (left, top, right, bottom), colour in zip(output.data["places"], COLOURS, strict=False):
        assert right - left > 40
        assert bottom - top > 40
        shown = pixels[top:bottom, left:right]
        assert (shown == [int(colour[at : at + 2], 16) for at in (1, 3, 5)]).all()
        shown[:] = 0x10
    assert (pixels == 0x10).all(), "something lies outside the places"


@settings(max_examples=60, deadline=None)
@for_any(
    ratios=st.lists(st.floats(1 / 3, 3), min_size=2, max_size=MAX_INPUTS),
    sheet=st.sampled_from([width / height for width, height in SIZES.values()]),
    layout=st.sampled_from(list(LAYOUTS)),
)
def test_boxes_tile_the_sheet_without_gap_or_overlap(ratios, sheet, layout):
    boxes = LAYOUTS[layout](ratios, sheet)
    assert len(boxes) == len(ratios)
    assert sum(box.width * box.height for box in boxes) == pytest.approx(1)
    for box in boxes:
        assert -1e-9 <= box.x < box.right <= 1 + 1e-9
        assert -1e-9 <= box.y < box.bottom <= 1 + 1e-9
    for one, other in itertools.combinations(boxes, 2):
        across = min(one.right, other.right) - max(one.x, other.x)
        down = min(one.bottom, other.bottom) - max(one.y, other.y)
        assert min(across, down) < 1e-9


def test_a_mosaic_cuts_nothing_when_the_shapes_can_tile():
    boxes = mosaic([2.0, 1.0, 1.0], 1.0)
    assert [tuple(box) for box in boxes] == [(0, 0, 1, 0.5), (0, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)]


def test_gutters_and_margins_are_as_wide_as_asked(run):
    given(run, 2)
    output, _ = made(run, layout="row", gutter=24, margin=40)
    first, second = output.data["places"]
    assert second[0] - first[2] == 24
    assert (first[0], first[1], 1080 - second[2], 1080 - second[3]) == (40, 40, 40, 40)


def test_round_corners_show_the_ground_and_are_smooth(run):
    given(run, 2)
    output, image = made(run, layout="row", radius=60, background="#ffffff", margin=30)
    left, top, right, bottom = output.data["places"][0]
    for corner in ((left, top), (right - 1, top), (left, bottom - 1), (right - 1, bottom - 1)):
        assert image.getpixel(corner) == (255, 255, 255)
    assert image.getpixel((left + 60, top)) == (255, 0, 0)
    edge = {image.getpixel((left + x, top + y))[1] for x in range(60) for y in range(60)}
    assert len(edge) > 5, "the corner has no soft pixels"


def test_one_picture_makes_no_collage(run):
    given(run, 1)
    with pytest.raises(InvalidInput) as refused:
        made(run)
    assert refused.value.field == "input_files"


def test_a_very_long_strip_leaves_its_neighbours_room(run):
    given(run, 3)
    Image.new("RGB", (8000, 2), "#ff0000").save(run.inputs[0].path)
    output, _ = made(run)
    assert min(min(right - left, bottom - top) for left, top, right, bottom in output.data["places"]) > 150
