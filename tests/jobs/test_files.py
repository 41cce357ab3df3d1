"""Uploads and downloads: signatures, sizes, and strangers' files."""

import asyncio
import hashlib
import io
import struct
import zlib

import pytest
from PIL import Image

from services.jobs import tasks
from tests.support.jobs import claimed, order, ordered, picture, settle, someone, upload


async def begin(client, content=b"x", **changes):
    announced = {"filename": "photo.png", "content_type": "image/png", "size": len(content), **changes}
    return await client.post("/v1/uploads", json=announced)


async def sent(client, content, **changes):
    """An upload up to its completion; returns the answer to that."""
    begun = (await begin(client, content, **changes)).json()
    put = await client.put(begun["urls"][0], content=content)
    assert put.status_code == 204, put.text
    return await client.post(f"/v1/uploads/{begun['file_id']}/complete")


def bomb() -> bytes:
    """A PNG of 81 megapixels in a few bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 1, 0, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"\0" * (9000 * 1126), 9))
    return b"\x89PNG\r\n\x1a\n" + head + rows + chunk(b"IEND", b"")


async def test_a_picture_is_uploaded_looked_at_and_used(svc, client):
    content = picture()
    digest = hashlib.sha256(content).hexdigest()
    answer = await sent(client, content, sha256=digest)
    assert answer.status_code == 200
    media = answer.json()["media"]
    assert (media["kind"], media["format"], media["width"], media["height"]) == ("image", "png", 64, 48)
    again = await client.post(f"/v1/uploads/{answer.json()['file_id']}/complete")
    assert again.json() == answer.json()
    job = await ordered(client, input_files=[answer.json()["file_id"]])
    held = await claimed(svc)
    assert str(held.job_id) == job["id"]
    stored = await svc.runtime.storage.read(held.inputs[0]["key"])
    assert stored == content


@pytest.mark.parametrize(
    ("content", "changes", "status", "code"),
    [
        (bomb(), {}, 413, "upload_too_large"),
        (picture()[:80], {}, 415, "unsupported_media"),
        (picture("JPEG"), {}, 415, "unsupported_media"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", {}, 415, "unsupported_media"),
        (b"#EXTM3U\nhttp://127.0.0.1/secret\n", {}, 415, "unsupported_media"),
        (b"\0" * 100, {}, 415, "unsupported_media"),
        (picture(), {"sha256": "0" * 64}, 422, "upload_differs"),
    ],
    ids=["bomb", "truncated", "disguised", "svg", "playlist", "zeroes", "other-sha"],
)
async def test_a_hostile_file_is_refused_and_can_not_be_used(visitor, content, changes, status, code):
    answer = await sent(visitor, content, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_what_can_not_be_taken_is_refused_before_it_is_sent(client):
    assert (await begin(client, size=10**9)).status_code == 413
    assert (await begin(client, content_type="text/html")).status_code == 415
    assert (await begin(client, content_type="../../x")).status_code == 422
    assert (await begin(client, size=0)).status_code == 422
    assert (await begin(client, sha256="zz")).status_code == 422
    assert (await begin(client, filename="a\x00b")).status_code == 422


async def test_no_more_arrives_than_was_announced(svc, client):
    begun = (await begin(client, b"1234")).json()

    async def pieces():
        for _ in range(3):
            yield b"123"

    chunked = await client.put(begun["urls"][0], content=pieces())
    assert (chunked.status_code, chunked.json()["code"]) == (413, "upload_too_large")
    assert (await client.put(begun["urls"][0], content=b"12345")).status_code == 413
    short = await client.put(begun["urls"][0], content=b"123")
    assert (short.status_code, short.json()["code"]) == (422, "upload_differs")
    missing = await client.post(f"/v1/uploads/{begun['file_id']}/complete")
    assert (missing.status_code, missing.json()["code"]) == (409, "upload_missing")
    assert await svc.runtime.storage.list("") == []


async def test_a_complete_upload_can_not_be_overwritten(svc, client):
    content = picture()
    begun = (await begin(client, content)).json()
    await client.put(begun["urls"][0], content=content)
    await client.post(f"/v1/uploads/{begun['file_id']}/complete")
    late = await client.put(begun["urls"][0], content=b"x" * len(content))
    assert late.status_code in {404, 409}
    [row] = await svc.rows("SELECT key FROM files")
    assert await svc.runtime.storage.read(row["key"]) == content


async def test_other_people_s_uploads_do_not_exist(svc, client):
    file_id = await upload(client, picture())
    async with svc.client(someone()) as stranger:
        assert (await stranger.post(f"/v1/uploads/{file_id}/complete")).status_code == 404
        assert (await order(stranger, input_files=[file_id])).status_code == 422


async def result(svc, client, content=b"0123456789"):
    """A finished job with one file; returns the job."""
    job = await ordered(client)
    held = await claimed(svc)
    key = f"results/{job['id']}/1-aa/0-made.png"
    await svc.runtime.storage.put(key, content)
    file = {"id": str(someone()), "key": key, "name": "made.png", "kind": "image", "content_type": "image/png"}
    file |= {"bytes": len(content), "width": 1, "height": 1, "duration": None, "sha256": "0" * 64}
    await settle(svc, held, files=[file], url=f"/v1/jobs/{job['id']}/result")
    return (await client.get(f"/v1/jobs/{job['id']}")).json()


async def test_a_result_is_fetched_by_its_signature_alone(svc, client):
    job = await result(svc, client)
    url = job["result"]["files"][0]["url"]
    async with svc.client() as nobody:
        answer = await nobody.get(url)
        assert (answer.status_code, answer.content) == (200, b"0123456789")
        assert answer.headers["Content-Type"] == "image/png"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        redirect = await client.get(f"/v1/jobs/{job['id']}/result")
        assert (await nobody.get(redirect.headers["Location"])).content == b"0123456789"


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=0-99", 200, b"0123456789"),
        ("bytes=10-", 416, b""),
        ("bytes=5-2", 416, b""),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(steady, visitor, asked, status, content):
    job = await result(steady, visitor)
    answer = await visitor.get(job["result"]["files"][0]["url"], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, content)


async def test_a_link_is_worth_nothing_once_it_is_changed(svc, client):
    job = await result(svc, client)
    url = job["result"]["files"][0]["url"]
    path, query = url.split("?")
    for forged in (
        f"{path}x?{query}",
        f"{path}?{query}x",
        f"{path}?{query.replace('exp=', 'exp=1')}",
        f"{path}?exp=9007199254740991&sig=%C3%A4",
        f"{path}/../../../../etc/passwd?{query}",
        f"{path.replace('results', '..%2f..%2fetc')}?{query}",
    ):
        answer = await client.get(forged)
        assert answer.status_code in {403, 404}, forged
    assert (await client.put(url, content=b"x")).status_code == 403
    assert (await client.get(path)).status_code == 422
    assert (await client.get(f"{path}?exp=99999999999999999999&sig=x")).status_code == 422


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "/etc/passwd", "a/../../b", "nul%00byte", "results//x", "%2e%2e/x"]
)
async def test_a_signed_path_trick_still_finds_nothing(steady, visitor, key):
    """Even a key that we had signed ourselves is only ever looked up in the table."""
    exp, plain = 2**40, key.replace("%00", "\0").replace("%2e", ".")
    signature = steady.runtime.storage._sign("GET", plain, exp)
    answer = await visitor.get(f"/v1/files/{key}?exp={exp}&sig={signature}")
    assert answer.status_code in {403, 404, 422}


async def test_uploads_that_were_never_completed_and_results_of_nobody_are_swept(svc, client):
    storage = svc.runtime.storage
    begun = (await begin(client, b"1234")).json()
    await client.put(begun["urls"][0], content=b"1234")
    kept = await result(svc, client)
    await storage.put(f"results/{kept['id']}/9-zombie/0-made.png", b"late")
    await storage.put(f"results/{someone()}/1-gone/0-made.png", b"of nobody")
    assert await tasks.sweep_files(svc.runtime) == 1
    svc.clock.advance(25 * 3600)
    assert await tasks.sweep_files(svc.runtime) == 2
    assert await storage.list("") == [f"results/{kept['id']}/1-aa/0-made.png"]
    assert (await client.post(f"/v1/uploads/{begun['file_id']}/complete")).status_code == 404


async def test_many_uploads_at_once_do_not_mix(client):
    contents = [picture(size=(40 + number, 30)) for number in range(8)]
    answers = await asyncio.gather(*(sent(client, content) for content in contents))
    assert [answer.json()["media"]["width"] for answer in answers] == list(range(40, 48))


async def test_an_animation_and_a_turned_photo_are_described_as_seen(client):
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 20)).save(out, "JPEG", exif=exif)
    answer = await sent(client, out.getvalue(), filename="photo.jpg", content_type="image/jpeg")
    assert (answer.json()["media"]["width"], answer.json()["media"]["height"]) == (20, 60)
