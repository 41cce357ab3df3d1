"""No secret in any log: a journey through the five services, its refusals included, then every log is read."""

import contextlib
import json
from uuid import uuid4

import httpx
import pytest

from deploy.cli.api import PASSWORD, eventually
from deploy.cli.demo import drawn_photo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

WRONG_PASSWORD = "a wrong horse battery 17"
REFUSED = range(400, 500)


class Witness:
    """Plays the journey and remembers each secret that was typed or handed out; name -> secret."""

    def __init__(self, platform):
        self.platform, self.url = platform, platform.url
        self.secrets = {"password": PASSWORD, "wrong password": WRONG_PASSWORD}

    def keeps(self, name, secret):
        assert len(secret) >= 8, name
        self.secrets[name] = secret
        return secret

    def signs_up(self):
        self.address = self.keeps("address", f"witness-{uuid4().hex[:8]}@example.com")
        post = self.platform.api.post
        post("/v1/auth/signup", {"email": self.address, "password": PASSWORD}, expect=202)
        token = self.keeps("verification token", self.platform.api.mail_token(self.address))
        post("/v1/auth/verify", {"token": token}, expect=204)
        post("/v1/auth/verify", {"token": token}, expect=410)
        post("/v1/auth/signup", {"email": self.address, "password": PASSWORD}, expect=202)
        self.logs_in("first session")

    def logs_in(self, name, password=PASSWORD):
        body = {"email": self.address, "password": password}
        answer = httpx.post(f"{self.url}/v1/auth/login", json=body).raise_for_status()
        self.user = self.platform.api.as_user(self.keeps(name, answer.json()["session_token"]))
        for cookie in answer.cookies.jar:
            self.keeps(f"{name} cookie {cookie.name}", cookie.value)

    def makes_a_key(self):
        made = self.user.post("/v1/me/api-keys", {"name": "key", "scopes": ["profile:read"]}, expect=201)
        self.key = self.keeps("API key", made["key"])
        self.keeps("API key's secret", self.key[16:48])
        self.platform.api.as_user(self.key).get("/v1/me")

    def buys(self):
        checkout = self.user.post("/v1/billing/checkout", {"plan_id": "creator", "interval": "month"}, expect=201)
        httpx.post(checkout["url"], data={"card": "ok"}, follow_redirects=True).raise_for_status()
        eventually("the plan", lambda: self.user.get("/v1/billing/entitlement")["plan_id"] == "creator")

    def uploads_and_runs_a_job(self):
        content = drawn_photo()
        request = {"filename": "photo.png", "content_type": "image/png", "size": len(content)}
        ticket = self.user.post("/v1/uploads", request, expect=201)
        self._knows_the_signature("upload", ticket["urls"][0])
        sent = httpx.request(ticket["method"], ticket["urls"][0], content=content, headers=ticket["headers"])
        sent.raise_for_status()
        file_id = self.user.post(f"/v1/uploads/{ticket['file_id']}/complete")["file_id"]
        body = {"tool": "memes", "prompt": "one | two", "input_files": [file_id]}
        job = self.user.post("/v1/ai/jobs", body, expect=202)
        list(self.user.events(f"/v1/jobs/{job['id']}/events"))
        result = self.user.get(f"/v1/jobs/{job['id']}")["result"]["files"][0]["url"]
        self._knows_the_signature("result", result)
        httpx.get(result).raise_for_status()
        assert httpx.get(result.replace("/v1/files/", "/v1/files/x")).status_code in REFUSED
        with httpx.stream("GET", result) as cut:
            next(cut.iter_raw(1))

    def _knows_the_signature(self, name, url):
        found = httpx.URL(url).params
        for parameter in found:
            if len(found[parameter]) >= 16:
                self.keeps(f"{name} {parameter}", found[parameter])
        assert any(each.startswith(f"{name} ") for each in self.secrets), url

    def hears_by_webhook(self):
        hook = {"url": "https://studio.example/hooks", "events": ["batch.completed"]}
        self.keeps("webhook secret", self.user.post("/v1/webhook-endpoints", hook, expect=201)["secret"])

    def chats_as_a_visitor(self):
        begun = self.platform.api.post("/v1/chat/sessions", {}, expect=201)
        headers = {"X-Chat-Session": self.keeps("visitor token", begun["session_token"]), "Accept": "text/event-stream"}
        said = {"client_message_id": str(uuid4()), "content": "How do I cancel?"}
        path = f"{self.url}/v1/chat/sessions/{begun['session']['id']}/messages"
        assert httpx.post(path, json=said, headers=headers, timeout=60).is_success
        self.user.post("/v1/chat/sessions/claim", {"session_token": begun["session_token"]})

    def forgets_the_password(self):
        post = self.platform.api.post
        post("/v1/auth/login", {"email": self.address, "password": WRONG_PASSWORD}, expect=401)
        post("/v1/auth/password/forgot", {"email": self.address}, expect=202)

        def link():
            items = self.platform.api.get("/dev/mail", params={"to": self.address})["items"]
            return next((link for mail in items for link in mail["links"] if "/reset?" in link), None)

        token = self.keeps("reset token", eventually("the mail", link).split("token=")[1])
        changed = self.keeps("changed password", "another horse battery 43")
        post("/v1/auth/password/reset", {"token": token, "password": changed}, expect=204)
        self.logs_in("second session", changed)

    def is_refused(self):
        """Secrets where they don't belong: in paths, queries, bodies of another shape, and forged headers."""
        secrets = [value for value in self.secrets.values() if value.isascii()]
        for service in ("users", "billing/payments", "jobs", "chat/sessions", "forum/topics", "files"):
            for secret in secrets:
                path = httpx.URL(f"{self.url}/v1/{service}/").join(secret.replace("/", "_"))
                answer = httpx.get(path, params={"q": secret, "cursor": secret}, headers=self._forged(secret))
                assert answer.status_code in REFUSED, answer.text
        everything = json.dumps(self.secrets)
        for path in (
            "auth/login",
            "billing/checkout",
            "ai/jobs",
            "chat/sessions/claim",
            "forum/topics",
            "webhooks/stripe",
        ):
            for body in (everything, everything[:-1], f"[{everything}]"):
                headers = {"Content-Type": "application/json", "Stripe-Signature": f"t=1,v1={secrets[0]}"}
                if "auth" not in path:
                    headers["Authorization"] = f"Bearer {self.user.token}"
                assert httpx.post(f"{self.url}/v1/{path}", content=body, headers=headers).status_code in REFUSED

    def _forged(self, secret):
        with contextlib.suppress(UnicodeEncodeError):
            return {"Authorization": f"Bearer {secret}x", "X-Identity-Token": secret, "X-Chat-Session": secret}
        return {}

    def of_the_installation(self):
        """What the installation made for itself: signing secrets, and the passwords in its database URLs."""
        kept = json.loads((self.platform.home / "secrets.json").read_text())
        servers = {str(path.parent): path.read_text().strip() for path in self.platform.home.rglob("password")}
        assert servers, "the database server's password was not found"
        return {f"installation's {name}": value for name, value in (kept | servers).items()}

    def lives(self):
        self.signs_up()
        self.makes_a_key()
        self.buys()
        self.uploads_and_runs_a_job()
        self.hears_by_webhook()
        self.chats_as_a_visitor()
        self.is_refused()
        self.forgets_the_password()


def test_no_log_of_the_platform_holds_a_secret_or_a_mail_address(platform):
    witness = Witness(platform)
    witness.lives()
    secrets = witness.secrets | witness.of_the_installation() | {"Stripe's key": "sk_test_twin"}
    assert len(secrets) >= 15
    logs = {path: path.read_text(errors="replace") for path in platform.home.rglob("*.log")}
    assert any('"sub": "' in text for text in logs.values()), "no request was logged"
    assert any("LOG:" in text for text in logs.values()), "the database's log was not read"
    found = [(name, path.name) for path, text in logs.items() for name, secret in secrets.items() if secret in text]
    assert found == []
    assert [path.name for path, text in logs.items() if "@example.com" in text or "://postgres:" in text] == []
