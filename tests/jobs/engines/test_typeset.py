import colorsys
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from services.jobs.engines import fonts, shaping, text, typeset
from services.jobs.engines.shaping import Run
from services.jobs.engines.typeset import Box, Style

MEME = Style("anton", weight=800, largest=120, smallest=4, outline=0.055, upper=True)
LABEL = Style("grotesk", weight=600, largest=60, smallest=4, tracking=0.14, upper=True, align="start", valign="top")
SERIF = Style("playfair-italic", weight=700, largest=200, smallest=4, valign="bottom", align="start")
SAMPLES = {
    "han": "你好世界，今天的会议可以用一封邮件代替",
    "kana": "こんにちは、カタカナも「ひらがな」も",
    "hangul": "안녕하세요 세계",
    "arabic": "مرحبا بالعالم في عام 2024",
    "hebrew": "שלום עולם (2024)",
    "devanagari": "नमस्ते दुनिया",
    "thai": "สวัสดีชาวโลก",
    "cyrillic": "Привет, мир",
    "greek": "Γειά σου Κόσμε",
    "vietnamese": "Xin chào thế giới",
}


@pytest.fixture(autouse=True, params=["as the machine can", "without FriBiDi"], scope="module")
def _shaping(request):
    """Machines with nothing but Python have no FriBiDi; what holds for text holds there too."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "without FriBiDi":
            patch.setattr(fonts, "shapes", lambda: False)
        fonts.font.cache_clear()
        yield
    fonts.font.cache_clear()


def inked(words: str, box: Box, style: Style, size=(700, 500)) -> Box | None:
    """Where drawing the words really changed pixels."""
    image = Image.new("RGB", size, "#123456")
    block = typeset.typeset(words, box, style)
    if block is None:
        return None
    typeset.draw(image, block, "#ffffff")
    changed = np.argwhere(np.any(np.asarray(image) != (0x12, 0x34, 0x56), axis=2))
    if not len(changed):
        return Box(box.x, box.y, 0, 0)
    (top, left), (bottom, right) = changed.min(0), changed.max(0) + 1
    return Box(left, top, right - left, bottom - top)


@settings(max_examples=80, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.sampled_from([MEME, LABEL, SERIF]),
    st.integers(120, 600),
    st.integers(60, 400),
)
@example("Z̷̡̛̥̖̍̎͗a̴̡̛l̶g̵o" * 3, MEME, 300, 80)
@example("ﷺ ﷽ ⸻ 𒐫", SERIF, 200, 60)
@example("fjÅgÇ j" * 6, SERIF, 240, 90)
def test_text_never_leaves_its_box(words, style, width, height):
    box = Box(47.3, 41.7, width, height)
    touched = inked(words, box, style)
    if touched is None:
        assert not text.clean(words)
    else:
        assert box.holds(touched, slack=1), (touched, box)


@pytest.mark.parametrize("words", SAMPLES.values(), ids=SAMPLES)
def test_every_script_fits_and_leaves_ink(words):
    box = Box(20, 20, 600, 200)
    touched = inked(words, box, MEME)
    assert touched
    assert box.holds(touched)
    assert touched.width > 150


@pytest.mark.parametrize("words", SAMPLES.values(), ids=SAMPLES)
def test_every_script_has_its_own_glyphs(words):
    for letter in set(words) - {" "}:
        name = fonts.face_for(letter, "anton")
        assert name is not None
        drawn, absent = (bytes(fonts.font(name, 700, 40).getmask(sign)) for sign in (letter, "\U0010ffff"))
        assert drawn != absent, f"{letter} is drawn as the missing-glyph box"
    assert text.missing(words) == []


def test_a_character_that_no_face_has_is_named_and_replaced():
    assert text.missing("a \U0001b170 b") == ["\U0001b170"]
    assert inked("\U0001b170", Box(20, 20, 300, 100), MEME)


@pytest.mark.parametrize("sequence", ["🎉", "👍🏽", "🇫🇷", "3️⃣", "❤️‍🔥", "❤️", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👩🏿‍🚀", "🏳️‍🌈", "☀"])
def test_an_emoji_sequence_is_one_coloured_picture(sequence):
    block = typeset.typeset(f"a{sequence}b", Box(0, 0, 300, 100), MEME)
    runs = [run for line in block.lines for run in line.runs]
    assert [bool(run.emoji) for run in runs] == [False, True, False]
    image = Image.new("RGB", (300, 100), "white")
    typeset.draw(image, typeset.typeset(sequence, Box(0, 0, 300, 100), MEME), "#000000")
    pixels = np.asarray(image).reshape(-1, 3) / 255
    vivid = sum(1 for pixel in pixels[::7] if colorsys.rgb_to_hsv(*pixel)[1] > 0.4)
    assert vivid > 40


@pytest.mark.parametrize("words", ["2024", "#1", "© 2024", "a * b", "☀\ufe0e"])
def test_digits_and_signs_are_text_unless_asked_to_be_emoji(words):
    block = typeset.typeset(words, Box(0, 0, 400, 100), MEME)
    assert not any(run.emoji for line in block.lines for run in line.runs)


def test_right_to_left_text_is_shaped_ordered_and_aligned_to_the_right():
    start = Style("montserrat", weight=700, largest=40, align="start")
    box = Box(0, 0, 800, 60)
    block = typeset.typeset("سلام abc 12", box, start)
    runs = block.lines[0].runs
    assert runs[-1].rtl
    assert runs[-1].text.startswith("سلام")
    assert "abc" in "".join(run.text for run in runs[:-1])
    assert block.ink.right == pytest.approx(box.right, abs=1)
    assert typeset.typeset("abc", box, start).ink.x == pytest.approx(box.x, abs=1)


def test_without_a_shaping_library_arabic_letters_are_joined_and_turned_all_the_same(monkeypatch):
    monkeypatch.setattr(fonts, "shapes", lambda: False)
    word = Run("مرحبا", "arabic", None, rtl=True)
    shown = shaping.shown(word)
    assert [unicodedata.normalize("NFKC", letter) for letter in reversed(shown)] == list(word.text)
    assert all("FORM" in unicodedata.name(letter) for letter in shown)
    assert shaping.shown(Run("abc", "sans", None, rtl=False)) == "abc"


def test_lines_are_balanced_and_words_stay_whole():
    block = typeset.typeset("one two three four five six seven", Box(0, 0, 420, 200), Style("anton", largest=60))
    widths = [line.ink.width for line in block.lines]
    assert len(widths) > 1
    assert min(widths) > 0.5 * max(widths)
    shown = " ".join("".join(run.text for run in line.runs) for line in block.lines)
    assert shown == "one two three four five six seven"


def test_no_letter_is_lost_when_a_long_word_is_broken():
    word = "Kraftfahrzeughaftpflichtversicherungsvertrag" * 2
    block = typeset.typeset(word, Box(0, 0, 300, 260), Style("anton", largest=90))
    assert "".join(run.text for line in block.lines for run in line.runs).replace("-", "") == word


def test_text_grows_with_its_box():
    sizes = [typeset.typeset("grow with me", Box(0, 0, 100 * k, 60 * k), MEME).size for k in (1, 2, 3)]
    assert sizes == sorted(set(sizes))


def test_letter_spacing_widens_a_line():
    plain = Style("grotesk", largest=40, smallest=40)
    spaced = Style("grotesk", largest=40, smallest=40, tracking=0.2)
    widths = [typeset.typeset("AVATAR", Box(0, 0, 600, 80), style).ink.width for style in (plain, spaced)]
    assert widths[1] == pytest.approx(widths[0] + 5 * 0.2 * 40, abs=4)


def test_closing_punctuation_never_starts_a_line():
    for width in range(120, 400, 20):
        block = typeset.typeset(
            "今天，天气很好。我们去公园吧！", Box(0, 0, width, 300), Style("montserrat", largest=40)
        )
        assert all(line.runs[0].text[0] not in "，。！" for line in block.lines)


def test_blank_text_gives_nothing():
    assert typeset.typeset(" \n\u200b\x00 ", Box(0, 0, 100, 100), MEME) is None
