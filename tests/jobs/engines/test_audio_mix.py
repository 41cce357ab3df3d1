"""Mixes are judged by what is heard in them: each result is decoded and measured by other means than made it."""

from itertools import pairwise

import numpy as np
import pytest

from services.jobs.catalogue import plan_work
from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.audio_mix import ducking
from services.jobs.engines.audio_mix.options import MixOptions
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.speech import sound
from services.jobs.engines.speech.listening import sound_of
from services.jobs.errors import InvalidJob
from tests.support.films import ffmpeg, film

MIX = TOOLS["audio-mix"]
RATE = sound.RATE
CONTENT_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}
AS_ADDED_UP = {"loudness": None, "format": "wav"}


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


def stereo_tone(path, pitch, seconds, level=0.25):
    """A steady tone of this amplitude in both channels."""
    time = np.arange(round(seconds * RATE)) / RATE
    wave = level * np.sin(2 * np.pi * pitch * time)
    sound.write_wav(path, np.stack([wave, wave], axis=1))
    return InputFile(path, probe_film(path, "audio/wav"))


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Tones that can be told apart, a voice with a pause, beats with high peaks, and a film that sounds."""
    folder = tmp_path_factory.mktemp("sounds")
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=d=6:c=pink:a=0.4:seed=1", "-ac", "2", str(folder / "noise.wav"))
    time = np.arange(6 * RATE) / RATE
    beats = 0.9 * np.sin(2 * np.pi * 700 * time) * np.exp(-(time % 0.5) * 150) + 0.01 * np.sin(2 * np.pi * 150 * time)
    sound.write_wav(folder / "beats.wav", np.stack([beats, beats], axis=1))
    time = np.arange(4 * RATE) / RATE
    voice = 0.3 * np.sin(2 * np.pi * 300 * time) * ((time < 1) | (time > 2.5))
    sound.write_wav(folder / "voice.wav", np.stack([voice, voice], axis=1))
    made = {name: InputFile(folder / f"{name}.wav") for name in ("noise", "beats", "voice")}
    found = {name: InputFile(one.path, probe_film(one.path, "audio/wav")) for name, one in made.items()}
    found["low"] = stereo_tone(folder / "low.wav", 200, 4)
    found["high"] = stereo_tone(folder / "high.wav", 3000, 2)
    found["film"] = InputFile(film(folder / "film.mp4"), probe_film(folder / "film.mp4", "video/mp4"))
    mute = film(folder / "mute.mp4", sound=False)
    found["mute"] = InputFile(mute, probe_film(mute, "video/mp4"))
    return found


def mixed(run, inputs, **options):
    """The file, what is heard in it as (samples, 2), and the result's data."""
    run.inputs = inputs
    output = MIX.run(run, None, MixOptions(**options))
    [file] = output.files
    probed = probe_film(file.path, file.content_type)
    assert file.content_type == CONTENT_TYPES[options.get("format", "mp3")]
    assert output.units == {"studio_jobs": 1}
    heard = sound_of(InputFile(file.path, probed), rate=RATE, layout="stereo")
    return file, heard, output.data


def level(heard, start, end):
    """In dB of full scale, of the left channel."""
    part = heard[round(start * RATE) : round(end * RATE), 0].astype(float)
    return 20 * np.log10(np.sqrt((part**2).mean()) + 1e-9)


def level_at(heard, pitch, start, end):
    """How loud one tone is among others, in dB."""
    part = heard[round(start * RATE) : round(end * RATE), 0].astype(float)
    turn = np.exp(-2j * np.pi * pitch * np.arange(len(part)) / RATE)
    return 20 * np.log10(abs((part * turn).mean()) * 2 + 1e-9)


def true_peak(heard):
    """The highest point of the curve through the samples, at four times their rate, in dB."""
    spectrum = np.fft.rfft(heard, axis=0)
    curve = np.fft.irfft(spectrum, 4 * len(heard), axis=0) * 4
    return 20 * np.log10(np.abs(curve).max())


@pytest.mark.parametrize(("form", "source"), [("wav", "noise"), ("mp3", "noise"), ("m4a", "noise"), ("wav", "beats")])
def test_a_mix_is_as_loud_as_speech_should_be_and_no_peak_is_over_the_ceiling(run, sounds, form, source):
    file, heard, data = mixed(run, [sounds[source]], format=form)
    assert sound.loudness(heard) == pytest.approx(-16, abs=0.5)
    assert data["loudness_lufs"] == pytest.approx(-16, abs=0.2)
    # A lossy encoder moves peaks by some tenths.
    assert true_peak(heard) < (-1.4 if form == "wav" else -0.8)
    assert data["true_peak_db"] <= -1.5
    assert source == "noise" or data["true_peak_db"] > -2, "the beats are held down, and no more than they must be"
    assert file.duration == 6
    assert len(heard) / RATE == pytest.approx(6, abs=0.06)


@pytest.mark.parametrize(("form", "codec"), [("wav", "pcm_s16le"), ("mp3", "mp3float"), ("m4a", "aac")])
def test_the_codec_is_what_the_format_says(run, sounds, form, codec):
    import av  # noqa: PLC0415 - of the engines' own packages

    file, _, _ = mixed(run, [sounds["high"]], format=form)
    with av.open(str(file.path)) as container:
        [stream] = container.streams
        assert (stream.codec_context.name, stream.rate, stream.channels) == (codec, RATE, 2)
        assert not {"title", "artist", "comment"} & set(container.metadata)


def test_each_track_sounds_from_its_start_to_its_end_and_nothing_where_none_plays(run, sounds):
    tracks = [{"input": 0, "length": 1}, {"input": 1, "start": 3, "length": 1.5, "gain_db": -6}]
    _, heard, data = mixed(run, [sounds["low"], sounds["high"]], tracks=tracks, seconds=6, **AS_ADDED_UP)
    assert len(heard) == 6 * RATE
    assert level_at(heard, 200, 0.1, 0.9) == pytest.approx(-12.04, abs=0.1)
    assert level_at(heard, 3000, 3.1, 4.4) == pytest.approx(-18.04, abs=0.1)
    for start, end in ((1.01, 2.99), (4.51, 6)):
        assert np.abs(heard[round(start * RATE) : round(end * RATE)]).max() == 0
    assert level(heard, 3, 3.01) > -30
    assert [(track["start"], track["end"]) for track in data["tracks"]] == [(0, 1), (3, 4.5)]


def test_what_plays_together_adds_up(run, sounds):
    _, heard, _ = mixed(run, [sounds["low"], sounds["high"]], **AS_ADDED_UP)
    assert len(heard) == 4 * RATE
    assert level_at(heard, 200, 0.5, 1.5) == pytest.approx(-12.04, abs=0.1)
    assert level_at(heard, 3000, 0.5, 1.5) == pytest.approx(-12.04, abs=0.1)


def test_a_trimmed_track_begins_where_it_was_cut(run, sounds):
    tracks = [{"input": 0, "trim_start": 0.5, "length": 2.5}]
    _, heard, _ = mixed(run, [sounds["voice"]], tracks=tracks, **AS_ADDED_UP)
    edges = np.flatnonzero(np.abs(heard[:, 0]) > 0.01)
    assert edges[0] < 0.01 * RATE
    assert max(later - earlier for earlier, later in pairwise(edges)) == pytest.approx(1.5 * RATE, abs=0.01 * RATE)


def test_fades_are_straight_lines_to_and_from_nothing(run, sounds):
    tracks = [{"input": 0, "fade_in": 1, "fade_out": 2}]
    _, heard, _ = mixed(run, [sounds["low"]], tracks=tracks, **AS_ADDED_UP)
    whole = level(heard, 1.1, 1.9)
    for moment, share in ((0.25, 0.25), (0.5, 0.5), (0.75, 0.75), (2.5, 0.75), (3, 0.5), (3.5, 0.25)):
        assert level(heard, moment - 0.02, moment + 0.02) == pytest.approx(whole + 20 * np.log10(share), abs=0.3)
    assert level(heard, 0, 0.005) < whole - 40
    assert level(heard, 3.995, 4) < whole - 40


def test_a_loop_plays_on_without_a_gap_until_the_others_end(run, sounds):
    tracks = [{"input": 0}, {"input": 1, "loop": True, "length": 0.5}]
    _, heard, data = mixed(run, [sounds["low"], sounds["high"]], tracks=tracks, **AS_ADDED_UP)
    assert len(heard) == 4 * RATE
    steps = [level_at(heard, 3000, at / 10, at / 10 + 0.1) for at in range(40)]
    assert np.allclose(steps, -12.04, atol=0.2)
    assert data["tracks"][1]["end"] == 4


def test_music_is_softer_by_what_was_asked_while_the_voice_is_heard_and_comes_back(run, sounds):
    tracks = [
        {"input": 0, "name": "voice", "start": 2},
        {"input": 1, "loop": True, "duck_under": "voice", "duck_db": 15},
    ]
    chosen = {"tracks": tracks, "seconds": 9, **AS_ADDED_UP}
    _, heard, data = mixed(run, [sounds["voice"], sounds["high"]], **chosen)
    music = [level_at(heard, 3000, *span) for span in ((0, 1.8), (2.1, 2.9), (3.7, 4.2), (4.6, 5.9), (7, 9))]
    assert np.allclose(music, [-12.04, -27.04, -12.04, -27.04, -12.04], atol=0.3)
    # It is out of the way before the first word, and the slope back is no jump.
    assert level_at(heard, 3000, 2, 2.05) == pytest.approx(-27.04, abs=0.7)
    assert -27 < level_at(heard, 3000, 6.2, 6.3) < -13
    assert data["tracks"][1]["ducked"] == [[2.0, pytest.approx(3.0, abs=0.02)], [pytest.approx(4.5, abs=0.02), 6.0]]


def test_a_looped_voice_is_made_way_for_in_each_turn():
    heard = ducking.placed([(0.5, 1.0)], start=1.0, piece=2.0, plays=4.8)
    assert heard == [(1.5, 2.0), (3.5, 4.0), (5.5, 5.8)]


def test_breaths_do_not_bring_the_music_back():
    rate = 1000
    voice = np.ones(3 * rate) * 0.2
    voice[rate : rate + 200] = 0
    voice[2 * rate : 2 * rate + 600] = 0
    assert ducking.spans(voice, rate) == [(0.0, 2.0), (2.6, 3.0)]
    assert ducking.spans(np.zeros(rate), rate) == []


def test_the_sound_of_a_film_is_a_track_like_any_other(run, sounds):
    _, heard, data = mixed(run, [sounds["film"], sounds["low"]], **AS_ADDED_UP)
    assert level_at(heard, 440, 0.5, 2.5) > -30
    assert level_at(heard, 440, 3.2, 4) < -60
    assert data["duration"] == 4


def test_silence_stays_silence(run, sounds):
    tracks = [{"input": 0, "trim_start": 1.2, "length": 1}]
    _, heard, data = mixed(run, [sounds["voice"]], tracks=tracks, format="wav")
    assert np.abs(heard).max() == 0
    assert (data["loudness_lufs"], data["true_peak_db"]) == (None, None)


def test_levels_that_are_kept_still_do_not_clip(run, sounds):
    tracks = [{"input": 0, "gain_db": 20}]
    _, heard, data = mixed(run, [sounds["low"]], tracks=tracks, **AS_ADDED_UP)
    assert true_peak(heard) < -1.4
    assert data["true_peak_db"] <= -1.5


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"tracks": [{"input": 2}]}, "options.tracks.0.input"),
        ({"tracks": [{"name": "a"}, {"name": "a"}]}, "options.tracks.0.name"),
        ({"tracks": [{"name": "a"}, {"duck_under": "b"}]}, "options.tracks.1.duck_under"),
        ({"tracks": [{"name": "a", "duck_under": "a"}]}, "options.tracks.0.duck_under"),
        ({"tracks": [{}] * 9}, "options.tracks"),
        ({"tracks": [{}, {"gain_db": 30}]}, "options.tracks.1.gain_db"),
        ({"tracks": [{"name": "[a];aevalsrc"}]}, "options.tracks.0.name"),
        ({"tracks": [{"start": "nan"}]}, "options.tracks.0.start"),
        ({"tracks": [{"file": "x"}]}, "options.tracks.0.file"),
        ({"loudness": 0}, "options.loudness"),
        ({"format": "flac"}, "options.format"),
    ],
)
def test_bad_options_are_refused_before_any_work_and_the_field_is_named(options, field):
    with pytest.raises(InvalidJob) as refused:
        plan_work(MIX, None, options, inputs=2)
    assert [error["field"] for error in refused.value.errors] == [field]


@pytest.mark.parametrize(
    ("files", "options", "field"),
    [
        (["low"], {"tracks": [{"trim_start": 4}]}, "options.tracks.0.trim_start"),
        (["low"], {"tracks": [{"start": 3}], "seconds": 2}, "options.tracks.0.start"),
        (["low"], {"tracks": [{"fade_in": 3, "fade_out": 2}]}, "options.tracks.0.fade_out"),
        (["low"], {"tracks": [{"loop": True}]}, "options.seconds"),
        (["low"], {"tracks": [{"start": 1199}]}, "options.tracks"),
        (["low", "mute"], {}, "input_files"),
    ],
)
def test_what_the_files_can_not_give_is_refused_when_it_is_ordered_and_when_it_runs(run, sounds, files, options, field):
    run.inputs = [sounds[name] for name in files]
    media = [one.media for one in run.inputs]
    for refuse in (MIX.run, lambda _run, prompt, chosen: MIX.quote(prompt, chosen, media)):
        with pytest.raises(InvalidInput) as refused:
            refuse(run, None, MixOptions(**options))
        assert refused.value.field == field


@pytest.mark.parametrize("inputs", [0, 9])
def test_one_to_eight_files_are_mixed(inputs):
    with pytest.raises(InvalidInput) as refused:
        MIX.check(None, MixOptions(), inputs)
    assert refused.value.field == "input_files"


def test_eight_tracks_are_heard_at_once(run, sounds, tmp_path):
    pitches = [300 + 400 * number for number in range(8)]
    inputs = [stereo_tone(tmp_path / f"{pitch}.wav", pitch, 1, level=0.1) for pitch in pitches]
    _, heard, _ = mixed(run, inputs, **AS_ADDED_UP)
    assert np.allclose([level_at(heard, pitch, 0.1, 0.9) for pitch in pitches], -20, atol=0.2)


def test_progress_rises_to_a_hundred(run, sounds):
    mixed(run, [sounds["low"]])
    percents = [percent for percent, _ in run.reported]
    assert percents == sorted(percents)
    assert percents[-1] == 100
