import numpy as np
import pytest
from PIL import Image, ImageStat
from pydantic import ValidationError

from services.jobs.engines import TOOLS, InputFile, InvalidInput
from services.jobs.engines.memes import engine, templates
from services.jobs.engines.memes.options import MAX_CAPTION, MemeOptions

MEMES = TOOLS["memes"]


def picture(path, image=None, **options) -> InputFile:
    (image or Image.linear_gradient("L").convert("RGB").resize((640, 480))).save(path, **options)
    return InputFile(path)


def opened(output) -> Image.Image:
    return Image.open(output.files[0].path).convert("RGB")


def refusal(run, prompt, **options) -> str:
    with pytest.raises(InvalidInput) as refused:
        MEMES.run(run, prompt, MemeOptions(**options))
    return refused.value.code


def test_there_are_at_least_six_templates_and_the_options_name_them_all():
    assert len(templates.TEMPLATES) >= 6
    named = MemeOptions.model_json_schema()["properties"]["template"]["anyOf"][0]["enum"]
    assert set(named) == set(templates.TEMPLATES)


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_every_template_is_drawn_and_captioned(run, name):
    slots = len(templates.TEMPLATES[name].slots)
    output = MEMES.run(run, " | ".join(f"caption {index}" for index in range(slots)), MemeOptions(template=name))
    made, bare = opened(output), templates.drawn(name, 1080)
    assert made.size == bare.size == (output.files[0].width, output.files[0].height)
    assert max(ImageStat.Stat(bare).stddev) > 25
    changed = np.any(np.asarray(made) != np.asarray(bare), axis=2)
    for slot in templates.TEMPLATES[name].slots:
        box = slot.within(*made.size)
        region = np.s_[int(box.y) : int(box.bottom) + 1, int(box.x) : int(box.right) + 1]
        assert changed[region].any()
        changed[region] = False
    assert not changed.any(), "a caption left its place"


def test_templates_look_different_from_each_other():
    small = [np.asarray(templates.drawn(name, 1080).resize((16, 16)), dtype=float) for name in templates.TEMPLATES]
    for index, one in enumerate(small):
        assert all(np.abs(one - other).mean() > 15 for other in small[index + 1 :])


def test_the_prompt_grammar_and_the_captions_option_make_the_same_meme(run, tmp_path):
    pixels = []
    for prompt, captions in (("top | bottom", []), (None, ["top", "bottom"]), ("ignored", ["top", "bottom"])):
        output = MEMES.run(run, prompt, MemeOptions(template="laptop-cat", captions=captions))
        assert output.data["captions"] == ["top", "bottom"]
        pixels.append(opened(output).tobytes())
    assert len(set(pixels)) == 1


def test_a_template_that_suits_the_captions_is_chosen_by_the_seed(run):
    chosen = set()
    for run.seed in range(12):
        output = MEMES.run(run, "one | two | three", MemeOptions())
        assert output.data["template"] == "growing-plant"
        chosen.add(MEMES.run(run, "one | two", MemeOptions()).data["template"])
    assert len(chosen) > 3


def test_the_same_seed_gives_the_same_pixels(run):
    first, second = (opened(MEMES.run(run, "same | again 🎉", MemeOptions())).tobytes() for _ in range(2))
    assert first == second


def test_the_users_photo_is_captioned_the_right_way_up(run, tmp_path):
    photo = Image.new("RGB", (800, 600), "#2040c0")
    photo.paste("#c02020", (0, 0, 800, 150))
    exif = Image.Exif()
    exif[0x0112] = 6
    run.inputs = [picture(tmp_path / "phone.jpg", photo, exif=exif)]
    output = MEMES.run(run, "hello |", MemeOptions())
    made = opened(output)
    assert made.size == (1080, 1440)
    assert made.getpixel((1050, 900))[0] > 150, "the red stripe is on the right after the quarter turn"
    assert made.getpixel((20, 900))[2] > 150
    assert output.files[0].content_type == "image/png"
    with Image.open(output.files[0].path) as saved:
        assert not saved.getexif()


def test_three_captions_on_one_picture_make_three_panels(run, tmp_path):
    run.inputs = [picture(tmp_path / "a.png")]
    output = MEMES.run(run, "one | two | three", MemeOptions())
    assert output.data["layout"] == "panels"
    assert output.files[0].height > 1.7 * output.files[0].width


def test_several_pictures_become_panels_in_order(run, tmp_path):
    colours = ["#ff0000", "#00ff00", "#0000ff"]
    run.inputs = [picture(tmp_path / f"{index}.png", Image.new("RGB", (90, 60), c)) for index, c in enumerate(colours)]
    made = opened(MEMES.run(run, "a | | c", MemeOptions(format="png")))
    seen = [made.getpixel((5, made.height * (2 * index + 1) // 6)) for index in range(3)]
    assert ["#{:02x}{:02x}{:02x}".format(*pixel) for pixel in seen] == colours


def test_the_caption_bar_leaves_the_picture_untouched(run, tmp_path):
    run.inputs = [picture(tmp_path / "a.png", Image.new("RGB", (600, 600), "#00aa55"))]
    made = opened(MEMES.run(run, "only above", MemeOptions(layout="caption-bar", format="png")))
    assert made.crop((0, made.width // 5, *made.size)).getcolors() == [(1080 * 1080, (0, 0xAA, 0x55))]


@pytest.mark.parametrize("size", [(4000, 40), (30, 3000), (1, 1), (2000, 1500)])
def test_any_shape_of_picture_gives_a_usable_meme(run, tmp_path, size):
    run.inputs = [picture(tmp_path / "a.png", Image.new("RGB", size, "teal"))]
    made = opened(MEMES.run(run, "top | bottom", MemeOptions(size=640)))
    assert made.width == 640
    assert 0.4 < made.height / made.width < 2.1


def test_a_transparent_sticker_lands_on_white(run, tmp_path):
    run.inputs = [picture(tmp_path / "a.png", Image.new("RGBA", (300, 300), (255, 0, 0, 0)))]
    assert opened(MEMES.run(run, "hi", MemeOptions(format="png"))).getpixel((5, 700)) == (255, 255, 255)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("size", [320, 2048])
def test_every_format_and_size_is_what_it_says(run, form, size):
    output = MEMES.run(run, "a | b", MemeOptions(template="snail-rocket", format=form, size=size))
    file = output.files[0]
    with Image.open(file.path) as image:
        assert (image.format, image.size) == (form.upper(), (size, size))
    assert file.content_type == f"image/{form}"
    assert file.path.parent == run.workdir


def test_the_longest_captions_are_never_cut(run, tmp_path):
    for letter in ("w", "漢", "🎉", "word "):
        caption = (letter * MAX_CAPTION)[:MAX_CAPTION]
        sheet = engine.Sheet(templates.drawn("unfair-scale", 1080).copy(), [], "template")
        slots = templates.TEMPLATES["unfair-scale"].slots
        sheet.written.extend((caption, slot) for slot in slots)
        for block, slot in zip(engine.write(sheet), slots, strict=True):
            assert slot.within(1080, 1080).holds(block.ink, slack=0.1)


@pytest.mark.parametrize("prompt", [None, "", "  ", " | ", "\u200b"])
def test_a_meme_without_words_is_refused(run, prompt):
    assert refusal(run, prompt) == "INVALID_INPUT"


def test_too_much_is_refused(run, tmp_path):
    assert refusal(run, " | ".join("abcdefg")) == "INVALID_INPUT"
    assert refusal(run, "x" * (MAX_CAPTION + 1)) == "INPUT_TOO_LARGE"
    assert refusal(run, "a | b | c", layout="top-bottom") == "INVALID_INPUT"
    run.inputs = [picture(tmp_path / "a.png")]
    assert refusal(run, "a", template="laptop-cat") == "INVALID_INPUT"
    run.inputs *= 2
    assert refusal(run, "a") == "INVALID_INPUT"


def test_a_broken_picture_is_refused_with_its_code(run, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff\xe0 not really")
    run.inputs = [InputFile(tmp_path / "a.jpg")]
    assert refusal(run, "a") == "UNSUPPORTED_MEDIA"


def test_unknown_options_are_refused():
    for options in ({"colour": "red"}, {"size": 10_000}, {"template": "nope"}, {"captions": ["x" * 301]}):
        with pytest.raises(ValidationError):
            MemeOptions(**options)


def test_progress_rises_to_a_hundred_in_named_stages(run):
    MEMES.run(run, "a | b", MemeOptions())
    percents = [percent for percent, _ in run.reported]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len({stage for _, stage in run.reported}) >= 4


def test_emoji_artists_are_credited(run):
    assert MEMES.run(run, "a 🎉", MemeOptions()).data["credits"]
    assert not MEMES.run(run, "a", MemeOptions()).data["credits"]
