"""Outgoing webhooks: what is sent, how it is signed, how often, and where nothing is ever sent."""

import asyncio
import itertools
import ssl
from datetime import UTC, datetime, timedelta

import orjson
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError
from starlette.requests import Request
from starlette.responses import Response

from services.jobs.settings import JobsSettings
from services.jobs.tasks import prune
from services.jobs.webhooks import sending
from services.jobs.webhooks.gateway import AddressRefused, Gateway, check_url, is_public
from services.jobs.webhooks.sending import deliver_due
from tests.support import loopback
from tests.support.jobs import claimed, grant_plan, jobs_service, ordered, settle, someone

ENDPOINTS = "/v1/webhook-endpoints"


class Receiver:
    """Somebody's server: remembers what came and answers as told, 200 when it was told nothing."""

    def __init__(self):
        self.received, self.answers, self.url = [], [], ""

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        self.received.append((dict(request.headers), await request.body()))
        answer = self.answers.pop(0) if self.answers else 200
        headers = {"Location": f"{self.url}/elsewhere"} if answer == 302 else {}
        await Response(status_code=answer, headers=headers)(scope, receive, send)

    @property
    def bodies(self):
        return [orjson.loads(body) for _, body in self.received]


@pytest_asyncio.fixture
async def receiver():
    receiver = Receiver()
    async with loopback.served(receiver, loopback.listening_socket()) as receiver.url:
        yield receiver


@pytest_asyncio.fixture
async def hooked():
    async with jobs_service(extra_tools="tests.support.job_tools", webhook_allow_loopback=True) as svc:
        yield svc


@pytest_asyncio.fixture
async def owner(hooked):
    user_id = someone()
    await grant_plan(hooked, user_id, max_running=50)
    async with hooked.client(user_id) as client:
        yield client


async def endpoint_at(client, url, **more):
    answer = await client.post(ENDPOINTS, json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def log_of(client, endpoint):
    return (await client.get(f"{ENDPOINTS}/{endpoint['id']}/deliveries")).json()["items"]


async def ended(svc, client, outcome="COMPLETED", **end):
    job = await ordered(client, "sleep")
    await settle(svc, await claimed(svc), outcome, **end)
    return job


async def test_an_ending_is_told_once_and_its_signature_verifies(hooked, owner, receiver):
    endpoint = await endpoint_at(owner, f"{receiver.url}/hooks?a=1")
    job = await ended(hooked, owner)
    assert await deliver_due(hooked.runtime) == 1
    assert await deliver_due(hooked.runtime) == 0
    [(headers, body)] = receiver.received
    told = Webhook(endpoint["secret"]).verify(body, headers)
    assert (told["type"], told["data"]["job"]["id"], told["data"]["job"]["status"]) == (
        "job.completed", job["id"], "COMPLETED",
    )  # fmt: skip
    assert datetime.fromisoformat(told["timestamp"]).tzinfo == UTC
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint["secret"]).verify(body.replace(b"COMPLETED", b"CANCELLED"), headers)
    [delivery] = await log_of(owner, endpoint)
    assert (delivery["id"], delivery["status"], delivery["attempts"]) == (headers["webhook-id"], "DELIVERED", 1)
    assert [(entry["status"], entry["error"]) for entry in delivery["tries"]] == [(200, None)]


async def test_each_way_a_job_can_end_is_told_to_those_who_asked_for_it(hooked, owner, receiver):
    await endpoint_at(owner, receiver.url, events=["job.failed", "job.cancelled"])
    await ended(hooked, owner)
    await ended(hooked, owner, "FAILED", code="INVALID_INPUT", message="No.")
    job = await ordered(owner, "sleep")
    await owner.post(f"/v1/jobs/{job['id']}/cancel")
    await deliver_due(hooked.runtime)
    assert sorted(body["type"] for body in receiver.bodies) == ["job.cancelled", "job.failed"]


async def test_what_was_rolled_back_is_told_to_nobody(hooked, owner, receiver):
    await endpoint_at(owner, receiver.url)
    await ordered(owner, "sleep")
    held = await claimed(hooked)
    assert await settle(hooked, held, "RETRY", code="INTERNAL", delay=0) == "RETRY"
    assert await settle(hooked, held) == "LOST"
    assert await deliver_due(hooked.runtime) == 0


async def test_one_job_and_one_batch_can_have_webhooks_of_their_own(hooked, owner, receiver):
    job = await ordered(owner, "sleep", webhook={"url": receiver.url})
    await ordered(owner, "sleep")
    items = [{"tool": "sleep"}, {"tool": "sleep"}]
    batch = (await owner.post("/v1/jobs/batches", json={"items": items, "webhook": {"url": receiver.url}})).json()
    for _ in range(4):
        await settle(hooked, await claimed(hooked))
    await deliver_due(hooked.runtime)
    told = {
        body["type"]: (headers, raw) for (headers, raw), body in zip(receiver.received, receiver.bodies, strict=True)
    }
    assert sorted(told) == ["batch.completed", "job.completed"]
    headers, raw = told["job.completed"]
    assert Webhook(job["webhook"]["secret"]).verify(raw, headers)["data"]["job"]["id"] == job["id"]
    headers, raw = told["batch.completed"]
    seen = Webhook(batch["webhook"]["secret"]).verify(raw, headers)["data"]["batch"]
    assert (seen["id"], seen["counts"], seen["total"]) == (batch["id"], {"COMPLETED": 2}, 2)
    assert (await owner.get(f"/v1/jobs/{job['id']}")).json()["webhook"] is None
    assert (await owner.get(ENDPOINTS)).json()["items"] == []


async def test_a_failing_server_is_tried_eight_times_over_about_a_day_under_one_id(hooked, owner, receiver):
    endpoint = await endpoint_at(owner, receiver.url)
    await ended(hooked, owner)
    receiver.answers = [500, 503, 302, 404, 500, 500, 500, 500]
    began, times = hooked.clock.now(), []
    for _ in range(8):
        assert await deliver_due(hooked.runtime) == 1
        times.append(hooked.clock.now())
        [delivery] = await log_of(owner, endpoint)
        if delivery["status"] == "PENDING":
            hooked.clock.advance((datetime.fromisoformat(delivery["next_try_at"]) - hooked.clock.now()).total_seconds())
    assert (delivery["status"], delivery["next_try_at"]) == ("FAILED", None)
    assert [entry["status"] for entry in delivery["tries"]] == [500, 503, 302, 404, 500, 500, 500, 500]
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert 20 * 3600 < (times[-1] - began).total_seconds() < 36 * 3600
    waits = [(later - sooner).total_seconds() for sooner, later in itertools.pairwise(times)]
    assert all(0.8 * wait <= waited <= 1.2 * wait + 1 for wait, waited in zip(sending.WAITS, waits, strict=True))
    hooked.clock.advance(10**6)
    assert await deliver_due(hooked.runtime) == 0


async def test_a_failed_message_can_be_sent_again_under_its_old_id(hooked, owner, receiver):
    endpoint = await endpoint_at(owner, receiver.url)
    await ended(hooked, owner)
    receiver.answers = [500]
    await deliver_due(hooked.runtime)
    [delivery] = await log_of(owner, endpoint)
    again = f"{ENDPOINTS}/{endpoint['id']}/deliveries/{delivery['id']}/redeliver"
    async with hooked.client(someone()) as stranger:
        assert (await stranger.post(again)).status_code == 404
    assert (await owner.post(again)).status_code == 202
    await deliver_due(hooked.runtime)
    [delivery] = await log_of(owner, endpoint)
    assert (delivery["status"], [entry["status"] for entry in delivery["tries"]]) == ("DELIVERED", [500, 200])
    assert receiver.received[0][0]["webhook-id"] == receiver.received[1][0]["webhook-id"]


async def test_while_a_secret_is_replaced_both_verify_and_a_day_later_only_the_new_one(hooked, owner, receiver):
    old = await endpoint_at(owner, receiver.url)
    new = (await owner.post(f"{ENDPOINTS}/{old['id']}/rotate")).json()
    assert new["secret"] != old["secret"]
    await ended(hooked, owner)
    await deliver_due(hooked.runtime)
    hooked.clock.advance(24 * 3600 + 1)
    await ended(hooked, owner)
    await deliver_due(hooked.runtime)
    (during, during_body), (afterwards, body) = receiver.received
    for secret in (old["secret"], new["secret"]):
        Webhook(secret).verify(during_body, during)
    Webhook(new["secret"]).verify(body, afterwards)
    with pytest.raises(WebhookVerificationError):
        Webhook(old["secret"]).verify(body, afterwards)


async def test_the_secret_is_shown_once_and_is_not_in_the_database(hooked, owner):
    endpoint = await endpoint_at(owner, "https://example.com/hooks")
    [listed] = (await owner.get(ENDPOINTS)).json()["items"]
    assert "secret" not in listed
    [row] = await hooked.rows("SELECT row_to_json(e)::text AS kept FROM webhook_endpoints e")
    assert endpoint["secret"].removeprefix("whsec_") not in row["kept"]


async def test_410_disables_the_endpoint_and_ends_what_waits_for_it(hooked, owner, receiver):
    endpoint = await endpoint_at(owner, receiver.url)
    await ended(hooked, owner)
    receiver.answers = [410]
    await deliver_due(hooked.runtime)
    await ended(hooked, owner)
    assert await deliver_due(hooked.runtime) == 0
    [listed] = (await owner.get(ENDPOINTS)).json()["items"]
    assert listed["disabled_at"] is not None
    [delivery] = await log_of(owner, endpoint)
    assert (delivery["status"], delivery["tries"][0]["status"]) == ("FAILED", 410)
    refused = await owner.post(f"{ENDPOINTS}/{endpoint['id']}/deliveries/{delivery['id']}/redeliver")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_endpoint_disabled")


async def test_a_deleted_endpoint_is_told_nothing_more_and_leaves_no_log(hooked, owner, receiver):
    endpoint = await endpoint_at(owner, receiver.url)
    await ended(hooked, owner)
    assert (await owner.delete(f"{ENDPOINTS}/{endpoint['id']}")).status_code == 204
    assert await deliver_due(hooked.runtime) == 0
    assert (await owner.get(f"{ENDPOINTS}/{endpoint['id']}/deliveries")).status_code == 404
    assert await hooked.rows("SELECT id FROM webhook_deliveries") == []


async def test_senders_that_run_side_by_side_send_each_message_once(hooked, owner, receiver):
    await endpoint_at(owner, receiver.url)
    for _ in range(12):
        await ended(hooked, owner)
    while sum(await asyncio.gather(*(deliver_due(hooked.runtime) for _ in range(4)))):
        pass
    ids = [headers["webhook-id"] for headers, _ in receiver.received]
    assert len(ids) == len(set(ids)) == 12


async def test_a_slow_server_does_not_hold_up_another_s_messages(hooked, owner, receiver):
    await endpoint_at(owner, "http://127.0.0.1:9/closed", events=["job.completed"])
    for _ in range(sending.BATCH + 5):
        await ended(hooked, owner)
    await endpoint_at(owner, receiver.url, events=["job.completed"])
    await ended(hooked, owner)
    await deliver_due(hooked.runtime)
    assert len(receiver.received) == 1


async def test_old_messages_are_pruned(hooked, owner, receiver):
    await endpoint_at(owner, receiver.url)
    await ended(hooked, owner)
    await hooked.rows("UPDATE webhook_deliveries SET created_at = now() - interval '31 days' RETURNING 1")
    await prune(hooked.runtime)
    assert await hooked.rows("SELECT id FROM webhook_deliveries") == []


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "172.16.0.1", "192.168.1.1", "127.0.0.1", "0.0.0.0", "169.254.169.254", "100.64.0.1", "224.0.0.1",
     "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
     "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
     "2001:db8::1"],
)  # fmt: skip
def test_addresses_that_are_not_of_the_open_internet_are_refused(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are_called(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    ["http://example.com/", "ftp://example.com/", "https://", "https://user:pw@example.com/", "nonsense", "//x",
     "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data", "https://10.0.0.8:8443/x",
     "https://[::ffff:10.0.0.1]/", "https://exa mple.com/", "https://example.com/" + "x" * 2000, "https://\udcff/"],
)  # fmt: skip
def test_a_url_that_can_not_be_called_is_refused_at_once(url):
    with pytest.raises(AddressRefused):
        check_url(url, allow_loopback=False)


async def test_a_refused_url_is_named_in_the_answer(visitor):
    for body, path, field in (
        ({"url": "https://127.0.0.1/x"}, ENDPOINTS, "url"),
        ({"tool": "memes", "prompt": "a", "webhook": {"url": "http://example.com"}}, "/v1/ai/jobs", "webhook.url"),
        ({"items": [{"tool": "sleep"}], "webhook": {"url": "https://[::1]"}}, "/v1/jobs/batches", "webhook.url"),
    ):
        refused = await visitor.post(path, json=body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    "addresses", [["169.254.169.254"], ["10.0.0.1"], ["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"], []]
)
async def test_a_name_that_leads_to_a_private_address_is_never_connected_to(addresses, receiver):
    async def lead(_host, _port):
        return addresses

    gateway = Gateway(allow_loopback=False, resolve=lead)
    answer = await gateway.post("https://harmless.example:" + receiver.url.rsplit(":", 1)[1], b"{}", {})
    await gateway.close()
    assert (answer.status, answer.error) == (None, "The URL does not lead to a public address.")
    assert receiver.received == []


async def test_the_address_that_was_checked_is_the_one_that_is_called(receiver):
    """A second look-up, as a rebinding name server hopes for, would find another place."""
    asked = []

    async def once(host, port):
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    port = int(receiver.url.rsplit(":", 1)[1])
    gateway = Gateway(allow_loopback=True, resolve=once)
    answer = await gateway.post(f"http://hooks.example:{port}/x", b"{}", {})
    await gateway.close()
    assert (answer.status, asked) == (200, [("hooks.example", port)])
    assert receiver.received[0][0]["host"] == f"hooks.example:{port}"


def certificate_for(name, folder):
    """A certificate for one name and the file that holds it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    serial, until = x509.random_serial_number(), now + timedelta(days=1)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), serial, now, until)
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False).sign(key, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.mark.parametrize(("name", "status"), [("hooks.example", 200), ("other.example", None)])
async def test_a_checked_address_must_still_have_the_certificate_of_the_name(name, status, tmp_path):
    path, seen = certificate_for(name, tmp_path), []
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(path)
    serving.sni_callback = lambda _socket, asked, _context: seen.append(asked)

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async def here(_host, _port):
        return ["127.0.0.1"]

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    gateway = Gateway(allow_loopback=True, resolve=here, trust=ssl.create_default_context(cafile=str(path)))
    try:
        assert (await gateway.post(f"https://hooks.example:{port}/", b"{}", {})).status == status
    finally:
        await gateway.close()
        server.close()
    assert seen == ["hooks.example"]


async def test_a_redirect_is_not_followed(hooked, owner, receiver):
    endpoint = await endpoint_at(owner, receiver.url)
    await ended(hooked, owner)
    receiver.answers = [302]
    await deliver_due(hooked.runtime)
    assert len(receiver.received) == 1
    assert (await log_of(owner, endpoint))[0]["status"] == "PENDING"


async def test_production_calls_no_loopback_whatever_is_set():
    values = {"environment": "production", "database_url": "postgresql://x/y", "signing_secret": "s" * 32}
    settings = JobsSettings(**values, webhook_allow_loopback=True)
    assert not settings.calls_loopback
    assert JobsSettings(webhook_allow_loopback=True).calls_loopback
    assert not JobsSettings().calls_loopback


async def test_there_is_an_end_to_endpoints(visitor):
    for number in range(20):
        await endpoint_at(visitor, f"https://example.com/{number}")
    refused = await visitor.post(ENDPOINTS, json={"url": "https://example.com/x"})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_webhook_endpoints")
