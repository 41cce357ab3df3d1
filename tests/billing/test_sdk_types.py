"""RB25: what the twin answers and tells of fits the SDK's own types.

What we ask for is held to them by the twin itself, which refuses a call with a parameter that they don't have.
"""

from deploy.stripe_twin.conformance import resource_problems
from tests.billing.test_event_types import LIST_OF, lived

LISTS = (*LIST_OF.values(), "customers", "products", "prices", "invoice_payments", "events", "webhook_endpoints")


async def pages_of(shop, path):
    after = {}
    while True:
        page = await shop.stripe("GET", path, limit=100, **after)
        yield page
        if not page["has_more"]:
            return
        after = {"starting_after": page["data"][-1]["id"]}


async def test_no_object_of_a_whole_life_differs_from_the_sdks_types(shop):
    await lived(shop)
    pages = [page for path in LISTS for page in [page async for page in pages_of(shop, path)]]
    assert [problem for page in pages for problem in resource_problems(page)] == []
    kinds = {thing["object"] for page in pages for thing in page["data"]}
    assert {"checkout.session", "subscription", "invoice", "payment_intent", "refund", "dispute", "event"} <= kinds
