"""The video editor: what its film shows and says at each moment, read back from the file."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from services.jobs.engines import TOOLS, InputFile, InvalidInput, extras
from services.jobs.engines.film.frames import frames_at
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.media import probe_image
from services.jobs.engines.speech import listening, sound
from services.jobs.engines.video_editor.layers import cues_of
from services.jobs.engines.video_editor.options import Captions, VideoEditorOptions
from tests.support.films import ffmpeg, film

EDITOR = TOOLS["video-editor"]
SMALL = {"height": 360, "fps": 24}
RED, BLACK, BLUE, GREEN = (254, 0, 0), (0, 0, 0), (0, 0, 254), (0, 128, 0)


@pytest.fixture(scope="session", autouse=True)
def extras_joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


@pytest.fixture(scope="session")
def sent(tmp_path_factory):
    """Red, a test picture and black, a second each, with a tone; a blue upright film without sound; a green picture;
    a low tone as music."""
    folder = tmp_path_factory.mktemp("sent")
    wide = film(folder / "wide.mp4", size="320x180")
    tall = folder / "tall.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=c=blue:s=90x160:r=25:d=2", "-pix_fmt", "yuv420p", str(tall))
    Image.new("RGB", (100, 100), GREEN).save(folder / "square.png")
    ffmpeg("-f", "lavfi", "-i", "sine=frequency=110:duration=2", str(folder / "music.wav"))
    return SimpleNamespace(
        wide=InputFile(wide, probe_film(wide, "video/mp4")),
        tall=InputFile(tall, probe_film(tall, "video/mp4")),
        picture=InputFile(folder / "square.png", probe_image(folder / "square.png")),
        music=InputFile(folder / "music.wav", probe_film(folder / "music.wav", "audio/wav")),
    )


def made(run, inputs, **options):
    run.inputs[:] = inputs
    output = EDITOR.run(run, None, VideoEditorOptions.model_validate({**SMALL, **options}))
    [file] = output.files
    return SimpleNamespace(output=output, file=file, input=InputFile(file.path, probe_film(file.path, "video/mp4")))


def shown(edited, moment, share=(0.5, 0.5)):
    """The colour at a place of the picture at a moment."""
    [picture] = frames_at(edited.input, [moment])
    return picture.convert("RGB").getpixel((round(picture.width * share[0]), round(picture.height * share[1])))


def is_near(colour, wanted, slack=12):
    return all(abs(one - other) <= slack for one, other in zip(colour, wanted, strict=True))


def heard(edited):
    return listening.sound_of(edited.input, rate=sound.RATE)


def level(samples, start, end):
    """Decibels below full scale."""
    part = samples[round(start * sound.RATE) : round(end * sound.RATE)]
    return 10 * np.log10(max(1e-12, float((part**2).mean())))


def pitch(samples):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * sound.RATE / len(samples)


def test_films_of_different_shapes_and_a_picture_become_one_upright_film(run, sent):
    clips = [{"input": 0, "end": 1}, {"input": 1, "start": 0.5, "end": 1.5}, {"input": 2, "seconds": 1}]
    edited = made(run, [sent.wide, sent.tall, sent.picture], clips=clips, shape="9:16")
    media = edited.input.media
    assert (media["width"], media["height"], media["fps"]) == (360, 640, 24)
    assert abs(media["duration"] - 3) <= 1 / 24
    assert [is_near(shown(edited, moment), colour) for moment, colour in ((0.5, RED), (1.5, BLUE), (2.5, GREEN))]
    assert edited.output.units == {"studio_jobs": 1, "export_seconds": 3}
    assert [clip["start"] for clip in edited.output.data["clips"]] == [0, 1, 2]
    percents = [percent for percent, _ in run.reported]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [path.name for path in run.workdir.iterdir()] == ["film.mp4"]


@pytest.mark.parametrize(
    ("fit", "beside"),
    [("blur", (0, 92, 0)), ("contain", (34, 68, 102)), ("cover", GREEN)],
    ids=["blur", "ground", "cover"],
)
def test_a_clip_of_another_shape_fills_the_film_as_it_was_asked_to(run, sent, fit, beside):
    edited = made(run, [sent.picture], clips=[{"seconds": 0.5}], fit=fit, ground="#224466")
    assert is_near(shown(edited, 0.2), GREEN)
    assert is_near(shown(edited, 0.2, (0.05, 0.5)), beside)


def test_each_frame_is_where_the_timeline_says(run, sent):
    """Red ends after exactly 12 frames, and the cropped right of the test picture begins."""
    clips = [{"end": 0.5}, {"start": 1, "end": 1.5, "crop": {"x": 0.5, "width": 0.5}}, {"start": 2.2, "end": 2.7}]
    edited = made(run, [sent.wide], clips=clips)
    moments = [11.5 / 24, 12.5 / 24, 23.5 / 24, 24.5 / 24]
    pictures = [
        np.asarray(frame.convert("RGB")).reshape(-1, 3).std(axis=0).max() for frame in frames_at(edited.input, moments)
    ]
    assert [spread > 40 for spread in pictures] == [False, True, True, False]
    assert is_near(shown(edited, 1.2), BLACK)


def test_clips_fade_into_each_other_and_through_black(run, sent):
    clips = [
        {"input": 0, "end": 1},
        {"input": 1, "end": 1, "transition": "crossfade", "transition_seconds": 0.5},
        {"input": 0, "start": 0, "end": 1, "transition": "black", "transition_seconds": 0.5},
    ]
    edited = made(run, [sent.wide, sent.tall], clips=clips)
    assert abs(edited.input.media["duration"] - 2) <= 1 / 24
    red, _, blue = shown(edited, 0.75)
    assert 80 < red < 180
    assert 80 < blue < 180
    assert max(shown(edited, 1.25)) < 110
    assert is_near(shown(edited, 1.9), RED)


def test_a_slower_clip_lasts_longer_and_keeps_its_pitch(run, sent):
    edited = made(run, [sent.wide], clips=[{"end": 1, "speed": 0.5}, {"start": 0, "end": 3, "speed": 4}])
    assert abs(edited.input.media["duration"] - 2.75) <= 1 / 24
    samples = heard(edited)
    for start, end in ((0.3, 1.7), (2.1, 2.6)):
        assert abs(pitch(samples[round(start * sound.RATE) : round(end * sound.RATE)]) - 440) < 6


def test_the_sound_is_as_loud_as_platforms_want_it_and_silent_where_nothing_is_said(run, sent):
    clips = [{"input": 0, "end": 1}, {"input": 1, "end": 1}, {"input": 0, "end": 1, "volume": 0}]
    edited = made(run, [sent.wide, sent.tall], clips=clips)
    samples = heard(edited)
    assert abs(sound.loudness(samples[: sound.RATE]) - sound.LOUDNESS) < 1
    assert level(samples, 1.1, 2.9) < -70


def test_music_makes_room_for_what_is_said_and_comes_and_goes_softly(run, sent):
    clips = [{"input": 1, "end": 2}, {"input": 0, "end": 2}, {"input": 1, "end": 2}]
    edited = made(run, [sent.wide, sent.tall, sent.music], clips=clips, music={"input": 2, "volume": 1, "fade": 0.5})
    samples = heard(edited)
    time = np.arange(len(samples)) / sound.RATE

    def music_at(start, end):
        part = slice(round(start * sound.RATE), round(end * sound.RATE))
        turn = np.exp(-2j * np.pi * 110 * time[part])
        return 20 * np.log10(abs((samples[part] * turn).mean()))

    assert music_at(0.8, 1.6) - music_at(2.5, 3.5) == pytest.approx(14, abs=2)
    assert level(samples, 0, 0.05) < level(samples, 0.8, 1.6) - 15
    assert level(samples, 5.95, 6) < level(samples, 4.9, 5.4) - 15


def test_a_film_in_which_nothing_is_heard_has_no_sound(run, sent):
    assert made(run, [sent.tall], clips=[{"end": 1}]).input.media["has_sound"] is False


def test_texts_a_logo_and_captions_are_there_in_their_time_and_place(run, sent):
    edited = made(
        run,
        [sent.tall, sent.picture],
        clips=[{"input": 0, "end": 2}],
        shape="9:16",
        texts=[{"text": "Hi 🌙", "start": 0.5, "end": 1, "place": "top", "ground": "#ffcc00"}],
        logo={"input": 1, "corner": "bottom left", "opacity": 1},
        captions={"srt": "1\n00:00:01,200 --> 00:00:01,800\nRead me\n", "style": "boxed", "position": "middle"},
    )
    pictures = [np.asarray(frame.convert("RGB")).astype(int) for frame in frames_at(edited.input, [0.2, 0.75, 1.5])]
    top, middle, corner = (
        (slice(30, 90), slice(0, 360)),
        (slice(280, 360), slice(0, 360)),
        (slice(560, 635), slice(10, 70)),
    )
    yellow = [int(((part[top] - (255, 204, 0)).__abs__().max(axis=2) < 40).sum()) for part in pictures]
    white = [int((part[middle].min(axis=2) > 200).sum()) for part in pictures]
    green = [int(((part[corner] - GREEN).__abs__().max(axis=2) < 30).sum()) for part in pictures]
    assert (yellow[0], yellow[2]) == (0, 0)
    assert yellow[1] > 800
    assert white[:2] == [0, 0]
    assert white[2] > 100
    assert min(green) > 1500


def test_what_somebody_wrote_is_text_and_never_a_filter(run, sent):
    evil = "x':enable=1,movie=/etc/passwd[a];{\\an8}%{pts} \\N ${HOME}"
    edited = made(
        run,
        [sent.tall],
        clips=[{"end": 0.5}],
        texts=[{"text": evil}],
        captions={"cues": [{"start": 0, "end": 0.4, "text": evil}]},
    )
    assert edited.input.media["width"] == 640


def test_without_a_timeline_everything_follows_in_order(run, sent):
    edited = made(run, [sent.picture, sent.tall, sent.music])
    assert abs(edited.input.media["duration"] - 5) <= 1 / 24


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"clips": [{"input": 9}]}, "options.clips.0.input"),
        ({"clips": [{"input": 3}]}, "options.clips.0.input"),
        ({"clips": [{"start": 3.5}]}, "options.clips.0.start"),
        ({"clips": [{"start": 1, "end": 0.5}]}, "options.clips.0.end"),
        ({"clips": [{"end": 4}]}, "options.clips.0.end"),
        ({"clips": [{"start": 1, "end": 1.01, "speed": 4}]}, "options.clips.0"),
        ({"clips": [{}, {"end": 0.5, "transition": "crossfade"}]}, "options.clips.1.transition_seconds"),
        ({"clips": [{"input": 2, "seconds": 60}] * 6}, "options.clips"),
        ({"logo": {"input": 0}}, "options.logo.input"),
        ({"logo": {"input": 7}}, "options.logo.input"),
        ({"music": {"input": 1}}, "options.music.input"),
        ({"texts": [{"text": "x", "start": 2, "end": 1}]}, "options.texts.0.end"),
        ({"captions": {}}, "options.captions"),
        ({"captions": {"srt": "nonsense"}}, "options.captions.srt"),
        ({"captions": {"cues": [{"start": 2, "end": 1, "text": "x"}]}}, "options.captions.cues.0.end"),
    ],
)
def test_a_timeline_that_can_not_be_followed_is_refused_before_any_work(sent, options, field):
    media = [one.media for one in (sent.wide, sent.tall, sent.picture, sent.music)]
    with pytest.raises(InvalidInput) as refused:
        EDITOR.quote(None, VideoEditorOptions.model_validate({**SMALL, **options}), media)
    assert refused.value.field == field


def test_nothing_sent_is_nothing_to_edit(sent):
    for media in ([], [sent.music.media]):
        with pytest.raises(InvalidInput):
            EDITOR.quote(None, VideoEditorOptions(), media)


def test_the_quote_is_what_the_film_takes(run, sent):
    options = {"clips": [{"input": 0, "end": 1.5}, {"input": 1, "end": 1}]}
    quoted = EDITOR.quote(None, VideoEditorOptions.model_validate(options), [sent.wide.media, sent.tall.media])
    assert (
        quoted.units
        == made(run, [sent.wide, sent.tall], **options).output.units
        == {"studio_jobs": 1, "export_seconds": 3}
    )


def test_captions_are_read_as_players_read_them():
    first = "\ufeff1\r\n00:00:01,5 --> 00:00:02.250 X1:0\r\nTwo\r\nlines\r\n"
    srt = f"{first}\r\n\r\n2\r\n01:00:00,000 --> 01:00:01,000\r\nLate\r\n"
    found = [(cue.start, cue.end, cue.text) for cue in cues_of(Captions(srt=srt))]
    assert found == [(1.5, 2.25, "Two lines"), (3600, 3601, "Late")]
