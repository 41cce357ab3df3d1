"""RB2, RB3 and RB15 for packs: what is granted in the end depends on the money, not on how we were told of it."""

import random

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.billing import repository
from services.billing.usecases.reconcile import reconcile_customer
from tests.billing.test_grants import order_pack
from tests.support.billing import open_shop
from tests.support.billing_dump import dump_of
from tests.support.billing_stories import Customer, Stage

SHUFFLED = 3
INVOICES = "SELECT status, total, amount_paid FROM invoices WHERE user_id = %(user)s ORDER BY total"

first_move = st.sampled_from(["pay ok", "pay ok", "pay delayed", "pay delayed_fails", "pay refund_fails"])
later_move = st.sampled_from(
    [
        *("wait 2", "wait 370", "refund 1", "refund 300", "refund 450", "refund"),
        *("dispute dispute", "dispute dispute_win", "dispute dispute_lose"),
    ]
)
stories = st.tuples(first_move, st.lists(later_move, max_size=4)).map(lambda parts: [parts[0], *parts[1]])


class PackStage(Stage):
    """Everybody wants a hundred images, and nothing else."""

    async def _customer(self, user, plan_id):
        customer = Customer(user)
        customer.session = (await order_pack(self.shop, customer.user, plan_id))["session_id"]
        customer.stripe_id = (await self._get(f"checkout/sessions/{customer.session}"))["customer"]
        return customer


@pytest.fixture(scope="module")
async def stage():
    async with open_shop() as shop, httpx.AsyncClient(base_url=str(shop.webhook_base)) as web:
        yield PackStage(shop, web)


async def live(stage, story, seeds):
    prompt, *others, deaf = customers = await stage.open(len(seeds) + 2, "images-100")
    for move in story:
        if move.startswith("wait"):
            await stage.wait(float(move.split()[1]))
        else:
            await stage.act_all(customers, move)
        await stage.catch(customers)
        await stage.tell(prompt.untold)
        prompt.untold = []
    for customer, seed in zip(others, seeds, strict=True):
        chance = random.Random(seed)
        twice = customer.untold + [event for event in customer.untold if chance.random() < 0.4]
        chance.shuffle(twice)
        await stage.tell(twice)
    await stage.close()
    await reconcile(stage.shop, deaf)
    return prompt, others, deaf


async def reconcile(shop, customer):
    parts = shop.svc.runtime.parts
    async with shop.svc.runtime.database.read() as session:
        row = await repository.find_customer(session, customer.user)
    await reconcile_customer(parts.worker_database, parts.gateway, row, heal=True, grace=parts.grace)


async def dump(stage, customer):
    """Who never heard of a refund that failed in the end knows the same as who heard that it was undone."""
    user = customer.user
    books = await dump_of(stage.shop, user)
    heard = [word for word in books["last_words"] if word["refunded"] != "0"]
    return {**books, "last_words": heard, "invoices": await stage.shop.svc.rows(INVOICES, user=user)}


async def assert_everybody_ends_alike(stage, story, seeds):
    prompt, others, deaf = await live(stage, story, seeds)
    expected = await dump(stage, prompt)
    for customer in (*others, deaf):
        assert await dump(stage, customer) == expected
    return expected


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories, seeds=st.lists(st.integers(0, 2**32), min_size=SHUFFLED, max_size=SHUFFLED, unique=True))
async def test_whatever_the_order_everybody_has_what_their_money_paid_for(stage, story, seeds):
    await assert_everybody_ends_alike(stage, story, seeds)


async def test_a_refund_a_dispute_and_a_failed_refund_end_alike_in_every_order(stage):
    story = ["pay refund_fails", "refund 300", "dispute dispute", "wait 2", "dispute dispute_win"]
    expected = await assert_everybody_ends_alike(stage, story, [1, 2, 3])
    assert [(row["metric"], row["taken_back"]) for row in expected["grants"]] == [("ai_generations", 0), ("images", 0)]


async def test_a_partial_refund_and_a_lost_dispute_end_alike_in_every_order(stage):
    story = ["pay ok", "refund 300", "dispute dispute", "dispute dispute_lose"]
    expected = await assert_everybody_ends_alike(stage, story, [4, 5, 6])
    assert [row["taken_back"] for row in expected["grants"]] == [100, 100]
    assert expected["granted"] == []
