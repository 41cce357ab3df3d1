import itertools
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor
from pydantic import ValidationError

from services.jobs.engines import TOOLS, InputFile, InvalidInput, typeset
from services.jobs.engines.images import engine, words
from services.jobs.engines.images.art import MOTIFS
from services.jobs.engines.images.engine import SIZES, ImageOptions
from services.jobs.engines.images.layouts import LAYOUTS, Page
from services.jobs.engines.images.palettes import PALETTES
from services.jobs.engines.images.words import Copy

IMAGES = TOOLS["images"]
PROMPTS = [
    "A poster for a summer jazz festival in Lisbon, 12 July, free entry",
    "Slow coffee, every morning from seven",
    "Mountain marathon 2027: 42 km above the clouds",
    "Opening sale: 30% off everything",
    "Stargazing night at the observatory",
    "Plant swap in the community garden",
    "Hack the planet: AI workshop for beginners",
    "夏日海边音乐节，七月十二日",
]
LONG = "How to build a small company that respects everybody, pays well, and answers every letter within a day. " * 7


def opened(file) -> Image.Image:
    return Image.open(file.path).convert("RGB")


def refusal(run, prompt, **options) -> str:
    with pytest.raises(InvalidInput) as refused:
        IMAGES.run(run, prompt, ImageOptions(**options))
    return refused.value.code


def design(prompt: str, seed: int = 1, **options) -> engine.Design:
    return engine.designs(prompt, ImageOptions(**options), seed)[0]


def sketch(prompt: str, seed: int = 1, **options) -> engine.Design:
    """The same design at half its size, which costs a quarter to draw."""
    drawn = design(prompt, seed, **options)
    return replace(drawn, size=(drawn.size[0] // 2, drawn.size[1] // 2))


def test_there_are_at_least_six_layouts_and_eight_palettes_and_the_options_name_them_all():
    assert len(LAYOUTS) >= 6
    assert len(PALETTES) >= 8
    properties = ImageOptions.model_json_schema()["properties"]
    assert set(properties["layout"]["anyOf"][0]["enum"]) == set(LAYOUTS)
    assert set(properties["palette"]["anyOf"][0]["enum"]) == set(PALETTES)
    assert set(properties["size"]["enum"]) == set(SIZES)


@pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)
def test_every_palette_has_text_colours_for_its_flat_areas(palette):
    colours = {name: ImageColor.getrgb(getattr(palette, name)) for name in ("paper", "ink", "deep")}
    accent = ImageColor.getrgb(palette.accents[0])
    assert _worst_ratio(colours["paper"], colours["deep"]) > 5
    assert _worst_ratio(colours["paper"], colours["ink"]) > 7
    assert max(_worst_ratio(accent, colours["ink"]), _worst_ratio(accent, colours["paper"])) > 5


@pytest.mark.parametrize("size", ["portrait", "story", "cover"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_renders_in_every_size(layout, size):
    chosen = sketch(PROMPTS[0], layout=layout, size=size)
    poster, measured = engine.render(chosen)
    assert poster.size == chosen.size
    assert set(measured) == {"title", "subtitle", "footer"}
    assert min(measured.values()) >= 4.5


def test_every_size_can_be_asked_for():
    assert {name: design("Hi", size=name).size for name in SIZES} == SIZES


@pytest.mark.parametrize("motif", MOTIFS, ids=lambda motif: motif.id)
def test_every_motif_is_drawn(motif):
    for palette in ("neon", "mono"):
        chosen = engine.Design("horizon", PALETTES[palette], motif, "7", (400, 500), Copy("x"))
        art = np.asarray(engine._art(chosen, (400, 500), None), dtype=float)
        assert art.std() > 12


def _worst_ratio(colour, grounds) -> float:
    """WCAG 2.2 contrast written out again, so that a slip in the engine's own formula is seen."""

    def luminance(pixels):
        parts = np.asarray(pixels, dtype=float) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return 0.2126 * linear[..., 0] + 0.7152 * linear[..., 1] + 0.0722 * linear[..., 2]

    own, behind = luminance(colour), luminance(grounds)
    return float(((np.maximum(own, behind) + 0.05) / (np.minimum(own, behind) + 0.05)).min())


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 10**9), st.sampled_from(PROMPTS), st.sampled_from(sorted(LAYOUTS)), st.sampled_from(sorted(PALETTES))
)
def test_text_has_a_contrast_of_at_least_four_and_a_half_against_the_pixels_behind_it(seed, prompt, layout, palette):
    chosen = sketch(prompt, seed, layout=layout, palette=palette, size="square")
    poster, measured = engine.render(chosen)
    behind = _without_letters(chosen)
    covered = np.any(np.asarray(poster) != np.asarray(behind), axis=2)
    assert covered.any()
    for slot in LAYOUTS[layout](Page(*chosen.size, chosen.palette, chosen.copy)).slots:
        region = np.s_[int(slot.box.y) : int(slot.box.bottom) + 1, int(slot.box.x) : int(slot.box.right) + 1]
        inked = np.asarray(poster)[region][covered[region]]
        grounds = np.asarray(behind)[region][covered[region]]
        values, counts = np.unique(inked.astype(np.int32) @ (1 << 16, 1 << 8, 1), return_counts=True)
        colour = values[counts.argmax()] >> np.array([16, 8, 0]) & 255
        assert _worst_ratio(colour, grounds) >= 4.5
        assert measured[slot.role] >= 4.5


def _without_letters(chosen: engine.Design) -> Image.Image:
    """The same poster, shades included, with the drawing of letters left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typeset, "draw", lambda *_: None)
        return engine.render(chosen)[0]


@settings(max_examples=40, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from(sorted(SIZES)),
)
def test_any_text_stays_in_its_place(prompt, layout, size):
    try:
        engine.check(prompt, ImageOptions(), 0)
    except InvalidInput:
        return
    chosen = design(prompt, layout=layout, size=size)
    for slot in LAYOUTS[layout](Page(*chosen.size, chosen.palette, chosen.copy)).slots:
        block = typeset.typeset(getattr(chosen.copy, slot.role), slot.box, slot.style)
        if block:
            assert slot.box.holds(block.ink, slack=0.1)
            assert typeset.Box(0, 0, *chosen.size).holds(block.ink)


@pytest.mark.parametrize("prompt", [LONG[:800], "漢" * 300, "🎉" * 120, "W" * 200, "a | " + "b " * 300, "مرحبا " * 100])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_long_han_and_emoji_prompts_fit_every_layout(prompt, layout):
    for size in ("story", "square", "cover"):
        chosen = design(prompt, layout=layout, size=size)
        for slot in LAYOUTS[layout](Page(*chosen.size, chosen.palette, chosen.copy)).slots:
            block = typeset.typeset(getattr(chosen.copy, slot.role), slot.box, slot.style)
            assert block is not None, (slot.role, size)
            assert slot.box.holds(block.ink, slack=0.1)


@pytest.mark.parametrize("prompt", [LONG[:800], "漢" * 300, "🎉" * 120])
def test_long_prompts_render_readably(prompt):
    _, measured = engine.render(sketch(prompt, layout="horizon", size="square"))
    assert min(measured.values()) >= 4.5


def test_the_same_seed_and_prompt_give_the_same_pixels_in_another_process(run):
    output = IMAGES.run(run, PROMPTS[0], ImageOptions(size="square", n=2))
    here = [sha256(opened(file).tobytes()).hexdigest() for file in output.files]
    script = (
        "from hashlib import sha256\n"
        "from services.jobs.engines.images import engine\n"
        "options = engine.ImageOptions(size='square', n=2)\n"
        f"for design in engine.designs({PROMPTS[0]!r}, options, {run.seed}):\n"
        "    print(sha256(engine.render(design)[0].tobytes()).hexdigest())\n"
    )
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": "."}
    there = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert there.stdout.split() == here
    assert len(set(here)) == 2


def test_another_seed_gives_another_poster():
    posters = {engine.render(sketch(PROMPTS[1], seed, size="square"))[0].tobytes() for seed in range(4)}
    assert len(posters) == 4


def test_different_prompts_look_different():
    seen = [engine.render(sketch(prompt, 5, size="square"))[0].resize((24, 24)) for prompt in PROMPTS]
    small = [np.asarray(image, dtype=float) for image in seen]
    for (first, one), (second, other) in itertools.combinations(enumerate(small), 2):
        assert np.abs(one - other).mean() > 20, (PROMPTS[first], PROMPTS[second])


def test_variants_differ_in_layout_and_art(run):
    output = IMAGES.run(run, PROMPTS[0], ImageOptions(n=4, size="square"))
    variants = output.data["variants"]
    assert len({variant["layout"] for variant in variants}) == 4
    assert len({variant["art"] for variant in variants}) == 4
    assert output.units == {"ai_generations": 1, "images": 4}
    assert [file.name for file in output.files] == [f"poster-{number}.png" for number in (1, 2, 3, 4)]


def test_words_of_the_prompt_choose_palette_and_art():
    assert design("espresso and bread").palette.id == "roast"
    assert design("our bakery").motif.id == "arches"
    assert design("a walk on the beach by the sea").motif.id == "sunset"
    assert design("code and computers").motif.id == "circuit"
    assert design("春").palette.id == "meadow"


def test_the_users_picture_takes_the_place_of_the_art(run, tmp_path):
    Image.new("RGB", (500, 400), "#00c000").save(tmp_path / "a.png")
    run.inputs = [InputFile(tmp_path / "a.png")]
    output = IMAGES.run(run, "My green field", ImageOptions(layout="headline", size="square"))
    assert output.data["variants"][0]["art"] == "photo"
    red, green, _ = opened(output.files[0]).getpixel((540, 1000))
    assert green > 150 > red


@pytest.mark.parametrize(
    ("prompt", "copy"),
    [
        ("Make me a poster for a jazz night, 12 July, free entry", Copy("Jazz night", "12 July", footer="free entry")),
        ('An image saying "Think smaller" for a show', Copy("Think smaller", "for a show")),
        ("One | two | three", Copy("One", "two", footer="three")),
        ("夏日音乐节，七月十二日，免费", Copy("夏日音乐节", "七月十二日", footer="免费")),
        ("Design matters", Copy("Design matters")),
        ("Poster", Copy("Poster")),
    ],
)
def test_a_prompt_is_read_into_title_subtitle_and_footer(prompt, copy):
    read = words.read(prompt)
    assert (read.title, read.footer) == (copy.title, copy.footer)
    assert copy.subtitle in read.subtitle


def test_no_word_of_a_long_prompt_is_lost():
    read = words.read(LONG[:800])
    shown = f"{read.title} {read.subtitle} {read.footer}".lower()
    assert all(word.strip(",.") in shown for word in LONG[:800].lower().split())


def test_given_words_replace_those_of_the_prompt(run):
    given = {"title": "Mine", "subtitle": "", "kicker": "Tonight", "footer": "Doors at 8"}
    output = IMAGES.run(run, PROMPTS[0], ImageOptions(text=given, layout="card"))
    assert output.data["variants"][0]["text"] == given


@pytest.mark.parametrize("prompt", [None, "", "  \n", "\u200b"])
def test_a_poster_about_nothing_is_refused(run, prompt):
    assert refusal(run, prompt) == "INVALID_INPUT"


def test_too_much_is_refused(run, tmp_path):
    assert refusal(run, "x" * 801) == "INPUT_TOO_LARGE"
    run.inputs = [InputFile(tmp_path / "a.png")] * 2
    assert refusal(run, "two pictures") == "INVALID_INPUT"
    for options in ({"n": 5}, {"n": 0}, {"layout": "nope"}, {"text": {"title": ""}}, {"colour": "red"}):
        with pytest.raises(ValidationError):
            ImageOptions(**options)


def test_the_catalogue_says_that_this_is_design_and_not_a_generated_photo():
    assert IMAGES.kind == "design"
    assert "not a photo or painting generated by an image model" in IMAGES.description


def test_progress_rises_to_a_hundred_in_named_stages(run):
    IMAGES.run(run, "Count me", ImageOptions(n=2, size="cover"))
    percents = [percent for percent, _ in run.reported]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len({stage for _, stage in run.reported}) >= 4
