"""The FAQ is there from the first start, staff keep it in order, and the assistant hears of every change."""

import asyncio

import pytest

from services.community.faq.seed_items import SEED_ITEMS
from services.community.seed import seed
from shared.ids import new_id

ITEM = {"question": "Do you like cats?", "answer": "We **love** them.", "category": "account"}


async def added(village, **fields):
    answer = await village.admin("POST", "/v1/admin/community/faq", {**ITEM, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_new_installation_answers_questions_and_seeding_again_changes_nothing(village):
    await seed(village.svc.runtime)
    items = (await village.get("/v1/faq"))["items"]
    assert [item["question"] for item in items] == [item.question for item in sorted_seed()]
    events = await village.svc.published("faq.item_published")
    assert {event["data"]["question"] for event in events} == {item.question for item in SEED_ITEMS}
    assert len(events) == len(SEED_ITEMS)


def sorted_seed():
    order = list(dict.fromkeys(item.category for item in SEED_ITEMS))
    return sorted(SEED_ITEMS, key=lambda item: order.index(item.category))


async def test_search_and_categories_narrow_the_list(village):
    found = (await village.get("/v1/faq", q="refund"))["items"]
    assert found[0]["question"] == "Can I get a refund?"
    billing = (await village.get("/v1/faq", category="billing"))["items"]
    assert {item["category"] for item in billing} == {"billing"}


async def test_an_item_is_read_by_its_slug(village):
    item = await village.get("/v1/faq/can-i-get-a-refund")
    assert item["answer_html"].startswith("<p>")
    assert (await village.call("GET", "/v1/faq/no-such-item")).status_code == 404
    assert (await village.call("GET", "/v1/faq/%00")).status_code in {404, 422}


async def test_the_assistant_hears_of_publishing_editing_and_unpublishing(village):
    item = await added(village)
    path = f"/v1/admin/community/faq/{item['id']}"
    edited = await village.admin("PATCH", path, {"answer": "Very much."}, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.json()["version"]) == (200, 2)
    hidden = await village.admin("PATCH", path, {"status": "draft"}, headers={"If-Match": '"2"'})
    assert hidden.status_code == 200
    assert (await village.call("GET", f"/v1/faq/{item['slug']}")).status_code == 404
    published = [event["data"] for event in await village.svc.published("faq.item_published")][-2:]
    assert [(data["version"], data["answer"]) for data in published] == [(1, ITEM["answer"]), (2, "Very much.")]
    [gone] = await village.svc.published("faq.item_unpublished")
    assert (gone["data"]["item_id"], gone["data"]["version"], int(gone["sequence"])) == (item["id"], 3, 3)


async def test_a_deleted_item_is_gone_from_everywhere(village):
    item = await added(village, question="Zebrafish?")
    assert (await village.admin("DELETE", f"/v1/admin/community/faq/{item['id']}")).status_code == 204
    assert (await village.get("/v1/faq", q="zebrafish"))["items"] == []
    assert (await village.call("GET", f"/v1/faq/{item['slug']}")).status_code == 404
    assert (await village.admin("DELETE", f"/v1/admin/community/faq/{item['id']}")).status_code == 404
    assert len(await village.svc.published("faq.item_unpublished")) == 1


async def test_of_two_reorderings_at_once_one_is_refused(village):
    [category] = [row for row in (await village.get("/v1/faq/categories"))["items"] if row["slug"] == "billing"]
    ids = [item["id"] for item in (await village.get("/v1/faq", category="billing"))["items"]]
    orders = [ids[::-1], ids[1:] + ids[:1]]
    match = {"If-Match": f'"{category["version"]}"'}
    answers = await asyncio.gather(
        *[
            village.admin(
                "POST", "/v1/admin/community/faq/reorder", {"category": "billing", "ids": order}, headers=match
            )
            for order in orders
        ]
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    won = next(order for order, answer in zip(orders, answers, strict=True) if answer.status_code == 200)
    assert [item["id"] for item in (await village.get("/v1/faq", category="billing"))["items"]] == won


async def test_a_reordering_names_each_item_once(village):
    [category] = [row for row in (await village.get("/v1/faq/categories"))["items"] if row["slug"] == "billing"]
    ids = [item["id"] for item in (await village.get("/v1/faq", category="billing"))["items"]]
    for wrong in (ids[1:], [*ids, ids[0]], [*ids[1:], str(new_id())], []):
        body = {"category": "billing", "ids": wrong}
        answer = await village.admin(
            "POST", "/v1/admin/community/faq/reorder", body, headers={"If-Match": str(category["version"])}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "incomplete_order")


async def test_only_staff_write_the_faq(village):
    for method, path in (("POST", "faq"), ("PATCH", f"faq/{new_id()}"), ("DELETE", f"faq/{new_id()}")):
        body = ITEM if method != "DELETE" else None
        assert (await village.call(method, f"/v1/admin/community/{path}", new_id(), json=body)).status_code == 403
        assert (await village.call(method, f"/v1/admin/community/{path}", json=body)).status_code == 401


async def test_feedback_counts_one_voice_per_visitor(village):
    item = await village.get("/v1/faq/can-i-get-a-refund")
    path, reader = f"/v1/faq/{item['id']}/feedback", new_id()
    for helpful, voter in ((True, reader), (True, reader), (False, reader), (True, new_id())):
        answer = await village.call("POST", path, voter, json={"helpful": helpful})
    assert (answer.json()["helpful_yes"], answer.json()["helpful_no"]) == (1, 1)


@pytest.mark.parametrize("limit", [1, 4])
async def test_the_list_pages_without_repeats(village, limit):
    seen, cursor = [], None
    while True:
        page = await village.get("/v1/faq", limit=limit, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == len(SEED_ITEMS)
