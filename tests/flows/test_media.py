"""Film, sound and loops through the whole platform: sent, made by the runner that it starts, fetched and decoded."""

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image, ImageSequence

from deploy.cli.api import eventually
from services.jobs.engines import InputFile, extras
from services.jobs.engines.film.probing import probe_film
from services.jobs.engines.speech import sound
from services.jobs.engines.speech.listening import sound_of
from tests.support.films import film, tone

# Engines and their children are the same in both topologies, so the one with more parts between them shows both.
pytestmark = [
    pytest.mark.services,
    pytest.mark.xdist_group("services"),
    pytest.mark.timeout(300),
    pytest.mark.parametrize("platform", ["services"], indirect=True),
]


@pytest.fixture(scope="module", autouse=True)
def joined():
    assert extras.is_ready(), "./atelier engines install"
    extras.join()


@pytest.fixture(scope="module")
def creator(platform):
    made, _ = platform.api.sign_up("filmmaker")
    return made


@pytest.fixture(scope="module")
def clip(creator, tmp_path_factory):
    """A film of three seconds that begins red, sent once."""
    return send(creator, film(tmp_path_factory.mktemp("clip") / "in.mp4"), "video/mp4")


def send(creator, path, content_type):
    announced = {"filename": path.name, "content_type": content_type, "size": path.stat().st_size}
    ticket = creator.post("/v1/uploads", announced, expect=201)
    sent = httpx.request(ticket["method"], ticket["urls"][0], content=path.read_bytes(), headers=ticket["headers"])
    assert sent.is_success, sent.text
    return creator.post(f"/v1/uploads/{ticket['file_id']}/complete")["file_id"]


def done(creator, family, **body):
    """The job when it is over, which must be well, and the content of its one file."""
    job = creator.post(f"/v1/{family}/jobs", body, expect=202)

    def over():
        found = creator.get(f"/v1/jobs/{job['id']}")
        return found if found["status"] in ("COMPLETED", "FAILED", "CANCELLED") else None

    ended = eventually(f"the end of {body['tool']}", over, seconds=90)
    assert ended["status"] == "COMPLETED", ended
    [file] = ended["result"]["files"]
    answer = httpx.get(file["url"])
    assert answer.headers["Content-Type"] == file["content_type"]
    return ended, answer.content


def pages(content) -> Iterator[Image.Image]:
    yield from ImageSequence.Iterator(Image.open(io.BytesIO(content)))


def test_a_film_becomes_a_loop(creator, clip):
    _, content = done(creator, "studio", tool="gif", input_files=[clip], options={"seconds": 1, "fps": 10})
    stays = [page.info["duration"] for page in pages(content)]
    assert sum(stays) == pytest.approx(1000, abs=100)
    assert next(pages(content)).convert("RGB").getpixel((60, 30))[0] > 200


def test_a_subject_loses_its_background(creator, tmp_path):
    photo = Image.new("RGB", (120, 90), "#30c050")
    photo.paste("#d02020", (40, 30, 80, 60))
    photo.save(tmp_path / "in.png")
    given = send(creator, tmp_path / "in.png", "image/png")
    _, content = done(creator, "studio", tool="background", input_files=[given])
    cut = Image.open(io.BytesIO(content)).convert("RGBA")
    assert (cut.getpixel((5, 5))[3], cut.getpixel((60, 45))[3]) == (0, 255)


def test_sounds_become_one_as_loud_as_speech_should_be(creator, clip, tmp_path):
    voice = send(creator, tone(tmp_path / "voice.mp3", seconds=3), "audio/mpeg")
    tracks = [{"name": "voice", "start": 1}, {"input": 1, "duck_under": "voice", "gain_db": -6}]
    chosen = {"tracks": tracks, "format": "m4a"}
    job, content = done(creator, "studio", tool="audio-mix", input_files=[voice, clip], options=chosen)
    (tmp_path / "mixed.m4a").write_bytes(content)
    media = probe_film(tmp_path / "mixed.m4a", "audio/mp4")
    assert media["duration"] == pytest.approx(4, abs=0.06)
    heard = sound_of(InputFile(tmp_path / "mixed.m4a", media), rate=sound.RATE, layout="stereo")
    assert sound.loudness(heard) == pytest.approx(-16, abs=0.5)
    assert job["usage"] == {"studio_jobs": 1}


def test_a_meme_moves_and_its_film_is_counted_in_seconds(creator, tmp_path):
    chosen = {"format": "mp4", "animation": "fade", "size": 360}
    job, content = done(creator, "ai", tool="memes", prompt="top | bottom", options=chosen)
    (tmp_path / "meme.mp4").write_bytes(content)
    media = probe_film(tmp_path / "meme.mp4", "video/mp4")
    assert job["usage"] == {"ai_generations": 1, "images": 1, "export_seconds": int(np.ceil(media["duration"]))}
    assert media["fps"] == 20


def test_captions_go_over_a_film_that_was_sent_and_its_sound_stays(creator, clip, tmp_path):
    chosen = {"times": [{"end": 1}, {"start": 2}]}
    body = {"tool": "memes", "prompt": "red | black", "input_files": [clip], "options": chosen}
    job, content = done(creator, "ai", **body)
    (tmp_path / "meme.mp4").write_bytes(content)
    media = probe_film(tmp_path / "meme.mp4", "video/mp4")
    assert (media["width"], media["height"], media["has_sound"]) == (128, 72, True)
    assert media["duration"] == pytest.approx(3, abs=0.1)
    assert job["usage"] == {"ai_generations": 1, "images": 1, "export_seconds": 3}
