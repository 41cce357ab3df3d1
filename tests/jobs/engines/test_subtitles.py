"""Captions: the right words at the right time, readable, harmless as text, and seen in the picture when burned in."""

import itertools
import re

import numpy as np
import pytest

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.film.frames import frames_at
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.speech import script, sound, voices
from services.jobs.engines.speech.script import Pauses
from services.jobs.engines.speech.voices import Manner, Word
from services.jobs.engines.subtitles import formats
from services.jobs.engines.subtitles.cues import GAP, Cue, Rules, cues_of
from services.jobs.engines.subtitles.engine import SubtitleOptions
from tests.support.films import ffmpeg, tone
from tests.support.speech import word_error_rate

SUBTITLES = TOOLS["subtitles"]
COFFEE = (
    "Welcome to the coffee house, where every morning begins with a fresh cup. Come in and sit down by the window. "
    "[pause 1.5] We open at seven, and our bread is baked right here."
)
SAID = COFFEE.replace("[pause 1.5] ", "")
WALD = "Guten Morgen, liebe Freunde. Heute ist ein schöner Tag, und wir gehen alle gemeinsam in den Wald."


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def recorded(folder, text, **manner):
    """Somebody says the text after a second of silence; returns the file and the true time of each word."""
    speech = voices.speak(script.sentences(text, Pauses(0.5, 0.8)), Manner(**manner))
    path = folder / "said.wav"
    sound.write_wav(path, sound.levelled(sound.resampled(np.pad(speech.samples, (voices.RATE, 0)), voices.RATE)))
    truth = [Word(word.text, word.start + 1, word.end + 1, word.sentence) for word in speech.words]
    return InputFile(path, probe_film(path, "audio/wav")), truth


@pytest.fixture(scope="session")
def coffee(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("coffee"), COFFEE, language="en-GB")


@pytest.fixture(scope="session")
def coffee_film(coffee, tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "in.mp4"
    given, _ = coffee
    picture = f"color=c=0x305080:s=640x360:r=12:d={given.media['duration']}"
    ffmpeg("-f", "lavfi", "-i", picture, "-i", str(given.path), "-pix_fmt", "yuv420p", "-shortest", str(path))
    return InputFile(path, probe_film(path, "video/mp4"))


def made(run, given, prompt=None, **options):
    run.inputs[:] = [given]
    return SUBTITLES.run(run, prompt, SubtitleOptions(**options))


def furthest(words, truth):
    assert len(words) == len(truth)
    return max(abs(word["start"] - true.start) for word, true in zip(words, truth, strict=True))


def test_what_is_said_is_recognised_and_stands_there_when_it_is_said(run, coffee):
    given, truth = coffee
    output = made(run, given, formats=["srt", "vtt", "ass"])
    assert output.data["timings"]["source"] == "recognition"
    text = " ".join(cue["text"] for cue in output.data["cues"])
    assert word_error_rate(SAID.replace("seven", "7"), text.replace("seven", "7")) < 0.1
    assert furthest(output.data["timings"]["words"], truth) < 0.3
    assert [file.name for file in output.files] == ["captions.srt", "captions.vtt", "captions.ass"]
    assert output.units == {"ai_generations": 1, "export_seconds": 0}


def test_a_script_keeps_its_own_words_and_takes_the_times_of_the_sound(run, coffee):
    given, truth = coffee
    changed = SAID.replace("coffee house,", "kitchen Bellini,")
    output = made(run, given, changed)
    words = output.data["timings"]["words"]
    assert output.data["timings"]["source"] == "script"
    assert [word["text"] for word in words] == changed.split()
    unchanged = [number for number, word in enumerate(words) if word["text"] == truth[number].text]
    assert len(unchanged) == len(words) - 2
    assert furthest([words[number] for number in unchanged], [truth[number] for number in unchanged]) < 0.3


def test_a_script_in_another_language_is_timed_by_comparison(run, tmp_path):
    given, truth = recorded(tmp_path, WALD, language="de-DE", speed=0.85, pitch=1.2)
    output = made(run, given, WALD, language="de-DE")
    assert output.data["timings"]["source"] == "comparison"
    assert furthest(output.data["timings"]["words"], truth) < 0.3


def test_another_ones_script_is_refused(run, coffee):
    with pytest.raises(InvalidInput, match="not what is said"):
        made(run, coffee[0], "Nobody expects a completely different text about elephants, tigers, or aeroplanes here.")


def test_a_sound_in_which_nobody_speaks_is_refused(run, tmp_path):
    path = tone(tmp_path / "in.mp3")
    with pytest.raises(InvalidInput, match="No speech"):
        made(run, InputFile(path, probe_film(path, "audio/mpeg")))


def bright(film, moment):
    """Pixels of the lower half that are nearly white."""
    [frame] = frames_at(film, [moment])
    pixels = np.asarray(frame.convert("RGB"))
    return int((pixels[pixels.shape[0] // 2 :].min(axis=2) > 200).sum())


def test_burned_captions_are_in_the_picture_while_they_are_said_and_not_before(run, coffee_film):
    output = made(run, coffee_film, SAID, burn_in=True)
    film = output.files[0]
    found = probe_film(film.path, "video/mp4")
    assert (found["width"], found["height"], found["has_sound"]) == (640, 360, True)
    assert found["duration"] == pytest.approx(coffee_film.media["duration"], abs=0.15)
    burned = InputFile(film.path, found)
    cues = output.data["cues"]
    assert bright(burned, cues[0]["start"] / 2) == 0
    assert all(bright(burned, (cue["start"] + cue["end"]) / 2) > 200 for cue in cues)
    assert output.units["export_seconds"] == int(np.ceil(coffee_film.media["duration"]))
    assert [percent for percent, _ in run.reported] == sorted(percent for percent, _ in run.reported)


def spoken(text, pace=0.3, gap=0.0):
    words = text.split()
    return [Word(word, at * (pace + gap), at * (pace + gap) + pace, 0) for at, word in enumerate(words)]


def test_cues_never_overlap_and_can_be_read():
    text = "Here is a sentence of some length, with a comma in it, that goes on and on until nobody can follow it. " * 4
    rules = Rules()
    cues = cues_of(spoken(text), rules, seconds=40)
    assert " ".join(" ".join(cue.lines) for cue in cues) == text.strip()
    for one, other in itertools.pairwise(cues):
        assert one.end + GAP <= other.start + 0.002
    for cue in cues:
        assert cue.start == pytest.approx(cue.words[0].start, abs=0.01)
        assert len(cue.lines) <= rules.lines
        assert max(map(len, cue.lines)) <= rules.line
        assert 0.9 < cue.end - cue.start <= 7


def test_a_short_cue_stays_until_it_is_read_where_there_is_time():
    [cue] = cues_of([Word("Incomprehensibilities!", 1.0, 1.2, 0)], Rules(), seconds=9)
    assert (cue.start, cue.end) == (1.0, pytest.approx(1.0 + 22 / 17, abs=0.001))
    [last] = cues_of([Word("Bye.", 1.0, 1.2, 0)], Rules(), seconds=1.5)
    assert last.end == 1.5


def test_a_silence_ends_a_cue():
    words = [Word("Wait", 0, 0.3, 0), Word("for", 0.3, 0.5, 0), Word("it", 3.0, 3.4, 0)]
    assert [cue.text for cue in cues_of(words, Rules(), 9)] == ["Wait for", "it"]


def test_what_was_written_is_text_in_every_format():
    evil = r"{\an8}<i>--> &amp;{\fnWingdings\p1}\N,,Dialogue:"
    cue = Cue(0.0, 2.0, (evil,), (Word(evil, 0.0, 2.0, 0),))
    assert formats.srt([cue]).count("-->") == 1
    assert "<" not in formats.srt([cue])
    assert "&lt;i&gt;--&gt; &amp;amp;" in formats.vtt([cue])
    for style in formats.LOOKS:
        written = formats.ass([cue], style, "bottom", (640, 360), 42)
        [event] = [line for line in written.splitlines() if line.startswith("Dialogue:")]
        text = event.split(",", 4)[4]
        assert re.findall(r"\{[^}]*\}", text) == (["{\\k0}", "{\\kf200}"] if style == "karaoke" else [])
        assert "\\" not in re.sub(r"\{\\kf?\d+\}", "", text)


def test_times_are_written_as_each_format_wants_them():
    cue = Cue(3661.25, 3662.9996, ("Hi",), (Word("Hi", 3661.25, 3662, 0),))
    assert "01:01:01,250 --> 01:01:03,000" in formats.srt([cue])
    assert formats.vtt([cue]).startswith("WEBVTT\n\n01:01:01.250 --> 01:01:03.000\nHi\n")
    assert "Dialogue: 0,1:01:01.25,1:01:03.00,Said,Hi" in formats.ass([cue], "classic", "top", (640, 360), 42)


@pytest.mark.parametrize(
    ("media", "options", "field"),
    [
        ({"kind": "video", "duration": 5, "has_sound": False}, {}, "input_files"),
        ({"kind": "audio", "duration": 5}, {"burn_in": True}, "options.burn_in"),
        ({"kind": "video", "duration": 301, "has_sound": True}, {"burn_in": True}, "options.burn_in"),
        ({"kind": "audio", "duration": 301}, {"language": "de-DE"}, "input_files"),
    ],
)
def test_what_can_not_be_captioned_is_refused_before_a_job_is_made(media, options, field):
    with pytest.raises(InvalidInput) as refused:
        SUBTITLES.quote("Hallo", SubtitleOptions(**options), [media])
    assert refused.value.field == field


def test_other_languages_need_their_script():
    with pytest.raises(InvalidInput, match="Only English"):
        SUBTITLES.check(None, SubtitleOptions(language="fr-FR"), 1)
