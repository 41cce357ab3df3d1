"""A text becomes speech: what is heard is what was written, when the times say so, and as loud as promised."""

import itertools
import wave

import numpy as np
import pytest

from services.jobs.engines import TOOLS, InvalidInput, extras
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.speech import script, sound, voices
from services.jobs.engines.speech.script import Pauses
from services.jobs.engines.speech.voices import Manner
from services.jobs.engines.voiceover.engine import VoiceoverOptions, most_seconds
from tests.support.speech import heard, loudness, word_error_rate

VOICEOVER = TOOLS["voiceover"]
COFFEE = "Welcome to the coffee house, where every morning begins with a fresh cup. Come in and sit down with us."
GREETINGS = {
    "en-US": "Good morning, dear friends.",
    "en-GB": "Good morning, dear friends.",
    "de-DE": "Guten Morgen, liebe Freunde, schön euch zu sehen.",
    "es-ES": "Buenos días, queridos amigos, ¿qué tal?",
    "fr-FR": "Bonjour chers amis, nous sommes à l'école.",
    "it-IT": "Buongiorno cari amici, oggi c'è il sole.",
}


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def made(run, prompt, **options):
    return VOICEOVER.run(run, prompt, VoiceoverOptions(**options))


def samples_of(path):
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / 32768


def said(text, **manner):
    return voices.speak(script.sentences(text, Pauses(0.35, 0.8)), Manner(**manner))


@pytest.mark.parametrize(("form", "content_type"), [("wav", "audio/wav"), ("mp3", "audio/mpeg")])
def test_a_recogniser_hears_what_was_written_at_the_loudness_that_was_promised(run, form, content_type):
    output = made(run, COFFEE, format=form)
    [file] = output.files
    assert file.content_type == content_type
    assert word_error_rate(COFFEE, heard(file.path)) < 0.1
    assert loudness(file.path) == pytest.approx(-16, abs=0.5)
    assert output.data["loudness_lufs"] == pytest.approx(-16, abs=0.2)
    found = probe_film(file.path, content_type)
    assert found["duration"] == pytest.approx(file.duration, abs=0.1) == pytest.approx(output.data["duration"], abs=0.1)
    assert run.reported[-1] == (100, "done")
    assert [percent for percent, _ in run.reported] == sorted(percent for percent, _ in run.reported)


@pytest.mark.parametrize("language", GREETINGS)
def test_each_language_is_spoken_with_a_time_for_each_word(run, language):
    output = made(run, GREETINGS[language], language=language, format="wav")
    words = output.data["timings"]["words"]
    assert [word["text"] for word in words] == GREETINGS[language].split()
    assert all(0.03 < word["end"] - word["start"] < 1.2 for word in words)
    assert all(one["end"] <= other["start"] for one, other in itertools.pairwise(words))
    sounding = np.flatnonzero(np.abs(samples_of(output.files[0].path)) > 0.02) / 48000
    assert words[0]["start"] == pytest.approx(sounding[0], abs=0.1)
    assert words[-1]["end"] == pytest.approx(sounding[-1], abs=0.1)


def test_speech_cut_between_two_words_by_their_times_is_heard_as_the_words_before_and_those_behind(tmp_path):
    speech = said(COFFEE)
    at = next(number for number, word in enumerate(speech.words) if word.text == "begins")
    cut = round((speech.words[at - 1].end + speech.words[at].start) / 2 * voices.RATE)
    words = COFFEE.split()
    for part, expected in ((speech.samples[:cut], words[:at]), (speech.samples[cut:], words[at:])):
        sound.write_wav(tmp_path / "part.wav", sound.resampled(np.pad(part, voices.RATE // 4), voices.RATE))
        assert word_error_rate(" ".join(expected), heard(tmp_path / "part.wav")) == 0


def test_slower_speech_takes_longer_and_its_times_go_along():
    slow, quick = said(COFFEE, speed=0.7), said(COFFEE, speed=1.4)
    assert slow.seconds / quick.seconds == pytest.approx(2, abs=0.25)
    ends = [
        (one.end / slow.seconds, other.end / quick.seconds) for one, other in zip(slow.words, quick.words, strict=True)
    ]
    assert max(abs(one - other) for one, other in ends) < 0.05


def test_pauses_are_as_long_as_was_asked(run):
    output = made(run, "One. Two. [pause 1.5] Three.\n\nFour.", format="wav", sentence_pause=0.5, paragraph_pause=1.0)
    words = output.data["timings"]["words"]
    gaps = [other["start"] - one["end"] for one, other in itertools.pairwise(words)]
    assert gaps == pytest.approx([0.5, 1.5, 1.0], abs=0.2)
    samples = samples_of(output.files[0].path)
    for one, other in itertools.pairwise(words):
        middle = (one["end"] + other["start"]) / 2
        assert np.abs(samples[round((middle - 0.1) * 48000) : round((middle + 0.1) * 48000)]).max() < 0.003


def test_abbreviations_and_numbers_end_no_sentence():
    found = script.sentences("Dr. Smith paid $5.50 at 10 a.m. in St. Louis. He left!", Pauses(1, 1))
    joined = [" ".join(sentence.words) for sentence in found]
    assert joined == ["Dr. Smith paid $5.50 at 10 a.m. in St. Louis.", "He left!"]


def test_the_voices_own_markup_is_read_and_not_obeyed():
    plain = said("Hello my dear old friends")
    for markup in ('<volume level="0">', '<speed level="500">', "</p>", "<break time='9s'/>"):
        spoken = said(f"Hello {markup} my dear old friends")
        assert spoken.seconds < plain.seconds + 6
        assert np.abs(spoken.samples[-voices.RATE :]).max() > 0.05


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("🎉 … !!", "nothing"),
        ("Привет", "Latin"),
        ("你好", "Latin"),
        ("a" * 3001, "characters"),
        ("[pause 3]", "nothing"),
    ],
)
def test_what_no_voice_can_say_is_refused_with_the_reason(prompt, says):
    with pytest.raises(InvalidInput, match=says):
        VOICEOVER.check(prompt, VoiceoverOptions(), 0)


def test_no_more_seconds_are_counted_than_were_held(run):
    texts = [
        COFFEE,
        "Sì. No. Sì.",
        "NASA, FBI and the WWW: www.example.com/abc?x=1 &c.",
        "1999 + 12,345,678 = $99.95",
    ]
    for text in texts:
        for language in ("en-US", "it-IT"):
            options = VoiceoverOptions(language=language, format="wav")
            output = VOICEOVER.run(run, text, options)
            held = VOICEOVER.quote(text, options, []).units["voiceover_seconds"]
            assert output.units["voiceover_seconds"] == int(np.ceil(output.data["duration"])) <= held
    assert most_seconds(COFFEE, VoiceoverOptions()) < 2 * said(COFFEE).seconds


def test_silence_can_not_be_made_loud():
    assert not sound.levelled(np.zeros(48000)).any()


def test_peaks_stay_under_the_ceiling_and_loudness_is_still_met():
    rng = np.random.default_rng(1)
    spiky = rng.normal(0, 0.02, 48000 * 3)
    spiky[::4800] = 0.9
    made_ = sound.levelled(spiky)
    assert np.abs(made_).max() <= sound.CEILING * 1.0001
    assert sound.loudness(made_) == pytest.approx(-16, abs=0.7)


def test_the_same_text_is_always_said_in_the_same_way():
    clutter = []
    takes = set()
    for turn in range(12):
        # What lies about in memory must not matter: the voice reads some that it has not written.
        clutter.append(np.full(40_000 + 7_000 * turn, 0.7))
        takes.add(said("Welcome to my channel, everybody!").samples.tobytes())
        del clutter[:: turn % 3 + 2]
    assert len(takes) == 1
