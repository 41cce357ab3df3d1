"""The twin as its own process, killed without warning: what it answered stands, and what it owes is delivered."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import stripe

from deploy.embedded.processes import free_port
from deploy.stripe_twin.settings import TwinSettings
from tests.stripe_twin.bench import SECRET, Bench, ManualClock, Receiver, database, wait_until

ROOT = Path(__file__).parents[2]


class TwinProcess:
    def __init__(self, database_url: str, receiver: Receiver, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/twin/stripe"
        self._environment = os.environ | {
            "TWIN_DATABASE_URL": database_url,
            "TWIN_PUBLIC_URL": self.url,
            "TWIN_WEBHOOK_URL": receiver.url,
            "TWIN_WEBHOOK_SECRET": SECRET,
            "TWIN_PORT": str(port),
            "TWIN_CLOCK_FILE": str(folder / "clock"),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "deploy.stripe_twin"], cwd=ROOT, env=self._environment)
        wait_until(self._answers, "the twin answers")

    def _answers(self) -> bool:
        try:
            return httpx.get(self.url).status_code == 200
        except httpx.TransportError:
            return False

    def end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(15)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()
    assert receiver.problems == []


@contextmanager
def _bench(process: TwinProcess, receiver: Receiver) -> Iterator[Bench]:
    bench = Bench(process.url, receiver, ManualClock(), [])
    try:
        yield bench
    finally:
        bench.close()


def test_events_owed_at_a_kill_are_delivered_after_the_restart(receiver: Receiver, tmp_path: Path) -> None:
    with database() as database_url:
        process = TwinProcess(database_url, receiver, tmp_path)
        process.start()
        with _bench(process, receiver) as twin:
            twin.control("delivery", stop=True)
            subscription = twin.subscribe()
            process.end(signal.SIGKILL)
            assert receiver.events == []
            process.start()
            assert twin.subscription(subscription["id"]) == subscription
            twin.control("delivery", stop=False)
            receiver.wait_for("customer.subscription.created", "invoice.paid", "checkout.session.completed")
            twin.quiet()
            twin.advance(31 * 86_400)
            process.end(signal.SIGKILL)
            process.start()
            twin.quiet()
            assert "subscription_cycle" in [
                event["data"]["object"]["billing_reason"] for event in receiver.of_type("invoice.paid")
            ]
        assert process.end(signal.SIGTERM) in (0, -signal.SIGTERM)


def test_kills_under_load_lose_no_answered_payment_and_no_event(receiver: Receiver, tmp_path: Path) -> None:
    """The buyer keeps paying and retrying while the twin is killed again and again."""
    with database() as database_url:
        process = TwinProcess(database_url, receiver, tmp_path)
        process.start()
        with _bench(process, receiver) as twin:
            price, answered, done = twin.price(500, None), list[str](), threading.Event()

            def shop() -> None:
                while not done.is_set():
                    try:
                        answered.append(twin.pay(twin.session(price))["payment_intent"])
                    except (httpx.TransportError, stripe.StripeError):
                        done.wait(0.05)

            buyer = threading.Thread(target=shop)
            buyer.start()
            for round_ in range(1, 4):
                wait_until(lambda goal=round_ * 8: len(answered) >= goal, "payments go through")
                process.end(signal.SIGKILL)
                process.start()
            done.set()
            buyer.join()
            twin.quiet()
            told = [event["data"]["object"]["id"] for event in receiver.of_type("payment_intent.succeeded")]
            assert set(answered) <= set(told)
            intents = twin.stripe.v1.payment_intents.list({"limit": 100}).auto_paging_iter()
            assert {intent.id for intent in intents if intent.status == "succeeded"} == set(told)
        process.end(signal.SIGTERM)


def test_production_refuses_the_twin() -> None:
    with pytest.raises(RuntimeError, match="production"):
        TwinSettings("", "", "", "secret", httpx.AsyncClient(), environment="production")


def test_an_empty_secret_is_refused() -> None:
    with pytest.raises(RuntimeError, match="TWIN_WEBHOOK_SECRET"):
        TwinSettings("", "", "", "", httpx.AsyncClient())
