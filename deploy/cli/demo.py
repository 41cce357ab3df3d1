"""`./atelier demo`: a creator's whole journey on real input, each step verified through the public API."""

import hashlib
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from deploy.cli.api import Api, StepFailed, eventually

PLAN = "viral"
PLAN_PRICE = 3900
COMMISSION = 1170
QUESTION = "How do I cancel my subscription?"
CAPTIONS = "When the render finishes | on the first try"


class Demo:
    """The story. Each method is a chapter; a chapter that cannot be verified raises StepFailed."""

    def __init__(self, base_url: str, console: Console, out: Path, make_admin: Callable[[str, str], None]) -> None:
        self._public, self._console, self._out = Api(base_url), console, out
        self._make_admin = make_admin
        self._started = time.monotonic()

    def tell(self, photo: Path | None, prompt: str) -> None:
        friend, code = self.introduce_friend()
        creator = self.sign_up_creator(code)
        payment = self.buy_plan(creator)
        self.ask_assistant(creator)
        self.make_meme(creator, photo)
        self.make_poster(creator, prompt)
        self.check_usage(creator)
        self.check_commission(friend, payment["id"], COMMISSION, "The friend earned $11.70 on it")
        self.refund(creator, payment)
        self.check_commission(friend, payment["id"], 0, "The commission was taken back")
        self._console.print(f"\n[bold]Done in {time.monotonic() - self._started:.0f} s.[/bold] Files: {self._out}")

    def introduce_friend(self) -> tuple[Api, str]:
        friend, address = self._public.sign_up("friend")
        affiliate = friend.post("/v1/affiliates/apply", {}, expect=201)
        self._say("A friend joins the affiliate programme", f"{address}, code {affiliate['code']}")
        return friend, affiliate["code"]

    def sign_up_creator(self, code: str) -> Api:
        creator, address = self._public.sign_up("creator", referral_code=code)
        me = creator.get("/v1/me")
        _require(me["email"] == address and me["email_verified"], f"/v1/me shows {me}")
        self._say("A creator signs up with the code, confirms by mail and logs in", address)
        return creator

    def buy_plan(self, creator: Api) -> dict[str, Any]:
        checkout = creator.post("/v1/billing/checkout", {"plan_id": PLAN, "interval": "month"}, expect=201)
        page = httpx.get(checkout["url"], follow_redirects=True)
        _require(page.is_success and "html" in page.headers["content-type"], "the checkout page did not open")
        # As the browser does when somebody presses the button of the test card.
        paid = httpx.post(checkout["url"], data={"card": "ok"}, follow_redirects=True)
        _require(paid.is_success, f"the checkout page answered {paid.status_code}")
        payment = eventually("the payment", lambda: self._paid(creator))
        _require(payment["amount"] == PLAN_PRICE, f"the payment shows {payment['amount']}")
        entitlement = eventually("the Viral plan", lambda: self._entitled(creator, PLAN))
        limit = entitlement["limits"]["ai_generations"]
        eventually("the raised limit", lambda: self._limit(creator) == limit)
        self._say("The Viral plan is bought through Stripe Checkout", f"$39.00 paid, {limit} AI jobs a month")
        return payment

    def ask_assistant(self, creator: Api) -> None:
        session = creator.post("/v1/chat/sessions", {}, expect=201)["session"]
        body = {"client_message_id": str(uuid4()), "content": QUESTION}
        creator.post(f"/v1/chat/sessions/{session['id']}/messages", body, expect=202)
        answer = eventually("the answer", lambda: self._answer(creator, session["id"]))
        _require(bool(answer["citations"]), "the answer names no source")
        self._say(f"The assistant answers “{QUESTION}”", answer["content"].strip().split("\n")[0][:100])

    def make_meme(self, creator: Api, photo: Path | None) -> None:
        picture = photo.read_bytes() if photo else drawn_photo()
        file_id = upload(creator, photo.name if photo else "photo.png", picture)
        body = {"tool": "memes", "prompt": CAPTIONS, "input_files": [file_id]}
        self._run_job(creator, "The photo becomes a meme", body)

    def make_poster(self, creator: Api, prompt: str) -> None:
        self._run_job(creator, "A prompt becomes a poster", {"tool": "images", "prompt": prompt, "seed": 7})

    def check_usage(self, creator: Api) -> None:
        def counted() -> dict[str, Any] | None:
            usage: dict[str, Any] = creator.get("/v1/me/usage")
            return usage if usage["ai_generations_count"] == 2 and usage["images_generated"] == 2 else None  # noqa: PLR2004

        usage = eventually("the usage", counted)
        _require(usage["chat_messages_count"] == 1, f"chat messages counted: {usage['chat_messages_count']}")
        self._say("Usage is counted", "2 AI jobs, 2 images, 1 chat message")

    def check_commission(self, friend: Api, payment_id: str, amount: int, told: str) -> None:
        def seen() -> bool:
            commissions = friend.get("/v1/affiliates/me/commissions")["items"]
            mine = [entry for entry in commissions if entry["payment_id"] == payment_id]
            return bool(mine) and mine[0]["amount"] == amount

        eventually(f"a commission of {amount}", seen)
        self._say(told, f"{amount / 100:.2f} USD in the ledger")

    def refund(self, creator: Api, payment: dict[str, Any]) -> None:
        address, password = f"admin-{uuid4().hex[:8]}@example.com", uuid4().hex
        self._make_admin(address, password)
        admin = self._public.log_in(address, password)
        path = f"/v1/admin/billing/payments/{payment['id']}/refund"
        key = {"Idempotency-Key": str(uuid4())}
        admin.post(path, {"reason": "requested_by_customer"}, headers=key)
        eventually("the refund", lambda: self._payment(creator, payment["id"])["status"] == "REFUNDED")
        eventually("the free plan", lambda: self._entitled(creator, "free"))
        self._say("An admin refunds the payment", "payment REFUNDED, plan back to free")

    def _run_job(self, creator: Api, told: str, body: dict[str, Any]) -> None:
        job = creator.post("/v1/ai/jobs", body, expect=202, headers={"Idempotency-Key": str(uuid4())})
        columns = (TextColumn("   {task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        with Progress(*columns, console=self._console, transient=True) as bar:
            task = bar.add_task(body["tool"], total=100)
            for _name, state in creator.events(f"/v1/jobs/{job['id']}/events"):
                bar.update(task, completed=state.get("progress") or 0, description=state.get("stage") or body["tool"])
        done = creator.get(f"/v1/jobs/{job['id']}")
        _require(done["status"] == "COMPLETED", f"the job ended {done['status']}: {done['error']}")
        paths = [self._save(body["tool"], entry) for entry in done["result"]["files"]]
        self._say(told, ", ".join(str(path) for path in paths))

    def _save(self, tool: str, entry: dict[str, Any]) -> Path:
        """Download a result and prove that it is the picture the platform says it is."""
        content = httpx.get(entry["url"]).content
        _require(hashlib.sha256(content).hexdigest() == entry["sha256"], "the file differs from its checksum")
        with Image.open(io.BytesIO(content)) as picture:
            picture.load()
            _require(picture.size == (entry["width"], entry["height"]), f"the picture measures {picture.size}")
        path = self._out / f"{tool}-{entry['name']}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def _paid(self, creator: Api) -> dict[str, Any] | None:
        items = creator.get("/v1/billing/payments", params={"status": "PAID"})["items"]
        return items[0] if items else None

    def _payment(self, creator: Api, payment_id: str) -> dict[str, Any]:
        payment: dict[str, Any] = creator.get(f"/v1/billing/payments/{payment_id}")
        return payment

    def _entitled(self, creator: Api, plan_id: str) -> dict[str, Any] | None:
        entitlement: dict[str, Any] = creator.get("/v1/billing/entitlement")
        return entitlement if entitlement["plan_id"] == plan_id else None

    def _limit(self, creator: Api) -> int:
        limit: int = creator.get("/v1/jobs/usage")["ai_generations"]["limit"]
        return limit

    def _answer(self, creator: Api, session_id: str) -> dict[str, Any] | None:
        messages = creator.get(f"/v1/chat/sessions/{session_id}/messages")["items"]
        done = [entry for entry in messages if entry["role"] == "ASSISTANT" and entry["status"] == "COMPLETE"]
        return done[0] if done else None

    def _say(self, title: str, detail: str) -> None:
        self._console.print(f" [green]✓[/green] {title}")
        self._console.print(f"   [dim]{detail}[/dim]", soft_wrap=True)


def upload(creator: Api, filename: str, content: bytes) -> str:
    """Upload through a signed URL and let the platform look at the file. Returns its id."""
    kind = "image/jpeg" if filename.lower().endswith((".jpg", ".jpeg")) else "image/png"
    request = {"filename": filename, "content_type": kind, "size": len(content)}
    ticket = creator.post("/v1/uploads", request, expect=201)
    sent = httpx.request(ticket["method"], ticket["urls"][0], content=content, headers=ticket["headers"])
    _require(sent.is_success, f"the upload answered {sent.status_code}: {sent.text[:200]}")
    file_id: str = creator.post(f"/v1/uploads/{ticket['file_id']}/complete")["file_id"]
    return file_id


def drawn_photo() -> bytes:
    """A picture to start from when the user gives none: an evening sky over hills."""
    width, height = 1080, 1080
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for y in range(height):
        blend = y / height
        draw.line([(0, y), (width, y)], fill=(int(40 + 210 * blend), int(60 + 90 * blend), int(140 - 30 * blend)))
    draw.ellipse((390, 420, 690, 720), fill=(255, 214, 120))
    draw.polygon(
        [(0, 820), (300, 610), (560, 800), (820, 640), (1080, 830), (1080, 1080), (0, 1080)], fill=(38, 34, 72)
    )
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise StepFailed(otherwise)
