"""Keys that sign identity tokens: private ones stay private, and no rotation costs a request."""

import asyncio
import stat
from datetime import UTC, datetime, timedelta

import pytest

from services.accounts.signing_keys import SigningKeys
from services.accounts.tasks import rotate_signing_keys
from services.accounts.verification import verify
from shared.identity import IDENTITY_HEADER, FileKeys, UrlKeys, Verifier
from tests.support.accounts import register


async def test_two_public_keys_are_published_and_no_private_part(svc):
    answer = await svc.client().get("/.well-known/jwks.json")
    keys = answer.json()["keys"]
    assert len(keys) == 2
    assert len({key["kid"] for key in keys}) == 2
    assert all(key["kty"] == "OKP" and key["crv"] == "Ed25519" and "d" not in key for key in keys)


async def test_private_keys_are_readable_by_their_owner_only(svc):
    folder = svc.runtime.settings.keys_path
    assert stat.S_IMODE((folder / "signing-keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert b'"d"' not in (folder / "jwks.json").read_bytes()


@pytest.mark.parametrize(("source", "rotations"), [("file", 3), ("url", 1)])
async def test_rotations_under_load_fail_no_request(svc, source, rotations):
    """At about fifty requests a second. Whoever caches the document over HTTP looks again after five seconds at the
    earliest, which one rotation in hours leaves plenty of time for."""
    account = await register(svc)
    folder = svc.runtime.settings.keys_path
    keys = FileKeys(folder / "jwks.json") if source == "file" else UrlKeys("/.well-known/jwks.json", svc.client())
    verifier, verified, rotating = Verifier("jobs", keys), 0, True

    async def load():
        nonlocal verified
        headers = {"authorization": f"Bearer {account.token}"}
        while rotating:
            answer = await verify(
                svc.runtime, audience="jobs", method="POST", path="/", headers=headers, client_ip="198.51.100.7"
            )
            assert (await verifier.principal(answer.headers[IDENTITY_HEADER])).user_id == account.id
            verified += 1
            await asyncio.sleep(0.02)

    loading = asyncio.create_task(load())
    for _ in range(rotations):
        await asyncio.sleep(0.3)
        SigningKeys(folder).rotate()
    await asyncio.sleep(0.3)
    rotating = False
    await loading
    assert verified > 10


def test_the_next_key_was_published_before_it_signs_and_the_last_one_stays_for_an_hour(tmp_path):
    keys = SigningKeys(tmp_path)
    current, upcoming = [key["kid"] for key in keys.jwks()["keys"]]
    now = datetime.now(UTC)
    keys.rotate(now=now)
    published = [key["kid"] for key in keys.jwks()["keys"]]
    assert published[0] == upcoming
    assert current in published
    keys.rotate(now=now + timedelta(minutes=61))
    assert current not in [key["kid"] for key in keys.jwks()["keys"]]


def test_replicas_that_rotate_at_the_same_time_rotate_once(tmp_path):
    one, other = SigningKeys(tmp_path), SigningKeys(tmp_path)
    later = datetime.now(UTC) + timedelta(days=31)
    assert [keys.rotate_if_older(timedelta(days=30), now=later) for keys in (one, other)] == [True, False]
    assert one.jwks() == other.jwks()
    assert one.sign({}).split(".")[0] == other.sign({}).split(".")[0]


async def test_young_keys_stay_when_the_timer_looks_at_them(svc):
    before = svc.runtime.parts.keys.jwks()
    await rotate_signing_keys(svc.runtime)
    assert svc.runtime.parts.keys.jwks() == before


def test_a_lost_public_file_is_written_again_from_the_private_one(tmp_path):
    before = SigningKeys(tmp_path).jwks()
    (tmp_path / "jwks.json").unlink()
    assert SigningKeys(tmp_path).jwks() == before
