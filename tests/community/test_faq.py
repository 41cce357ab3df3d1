"""The FAQ is there from the first start, staff keep it in order, and the assistant hears of every change."""

import asyncio

import pytest

from services.community.faq.seed_items import SEED_ITEMS
from services.community.seed import seed
from shared.ids import new_id
from tests.support.community import open_village

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


@pytest.mark.parametrize("letter", ["\U0001f408", "\x01"])
async def test_an_answer_that_no_event_can_hold_is_refused_clearly(village, letter):
    body = {**ITEM, "answer": letter * 20_000}
    refused = await village.admin("POST", "/v1/admin/community/faq", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "text_too_long")
    item = await added(village)
    path = f"/v1/admin/community/faq/{item['id']}"
    edit = await village.admin("PATCH", path, {"answer": body["answer"]}, headers={"If-Match": "1"})
    assert (edit.status_code, edit.json()["code"]) == (422, "text_too_long")
    assert (await village.get(f"/v1/faq/{item['slug']}"))["answer"] == ITEM["answer"]


async def test_staff_find_their_drafts_and_readers_do_not(village):
    draft = await added(village, question="Soon?", status="draft")
    listed = (await village.admin("GET", "/v1/admin/community/faq", params={"status": "draft"})).json()["items"]
    assert [item["id"] for item in listed] == [draft["id"]]
    whole = (await village.admin("GET", "/v1/admin/community/faq", params={"limit": 100})).json()["items"]
    assert len(whole) == len(SEED_ITEMS) + 1
    assert (await village.call("GET", "/v1/admin/community/faq", new_id())).status_code == 403
    path = f"/v1/admin/community/faq/{draft['id']}"
    assert (await village.admin("PATCH", path, {"status": "published"}, headers={"If-Match": "1"})).status_code == 200
    assert (await village.get(f"/v1/faq/{draft['slug']}"))["question"] == "Soon?"


async def test_staff_make_categories_and_name_them_anew(village):
    body = {"slug": "avatars", "name": "Avatars", "position": 0}
    assert (await village.admin("PUT", "/v1/admin/community/faq/categories", body)).status_code == 200
    await added(village, category="avatars")
    renamed = await village.admin("PUT", "/v1/admin/community/faq/categories", {**body, "name": "Faces"})
    assert (renamed.json()["name"], renamed.json()["version"]) == ("Faces", 2)
    names = [row["name"] for row in (await village.get("/v1/faq/categories"))["items"]]
    assert names.count("Faces") == 1
    assert "Avatars" not in names
    for wrong in ({"slug": "A B"}, {"name": ""}, {"position": -1}, {"position": 2**31}, {"more": 1}):
        answer = await village.admin("PUT", "/v1/admin/community/faq/categories", {**body, **wrong})
        assert answer.status_code == 422
    assert (await village.call("PUT", "/v1/admin/community/faq/categories", new_id(), json=body)).status_code == 403


async def test_an_item_goes_where_its_order_says_and_moves_between_categories(village):
    body = {"slug": "letters", "name": "Letters"}
    await village.admin("PUT", "/v1/admin/community/faq/categories", body)
    first = await added(village, question="A?", category="letters")
    last = await added(village, question="C?", category="letters")
    assert first["order"] < last["order"]
    await added(village, question="B?", category="letters", order=(first["order"] + last["order"]) // 2)
    assert [row["question"] for row in (await village.get("/v1/faq", category="letters"))["items"]] == [
        "A?",
        "B?",
        "C?",
    ]
    path = f"/v1/admin/community/faq/{first['id']}"
    moved = await village.admin("PATCH", path, {"category": "billing"}, headers={"If-Match": "1"})
    assert moved.status_code == 200
    assert (await village.get("/v1/faq", category="billing"))["items"][-1]["question"] == "A?"
    assert [row["question"] for row in (await village.get("/v1/faq", category="letters"))["items"]] == ["B?", "C?"]
    nowhere = await village.admin("PATCH", path, {"category": "nowhere"}, headers={"If-Match": "2"})
    assert (nowhere.status_code, nowhere.json()["code"]) == (422, "unknown_category")


async def test_each_language_has_its_own_list(village):
    await added(village, question="Magst du Katzen?", locale="de")
    assert [row["question"] for row in (await village.get("/v1/faq", locale="de"))["items"]] == ["Magst du Katzen?"]
    assert len((await village.get("/v1/faq", locale="en"))["items"]) == len(SEED_ITEMS)
    assert (await village.get("/v1/faq", locale="de", q="refund"))["items"] == []


async def test_of_two_edits_at_once_one_is_refused(village):
    item = await added(village)
    path, match = f"/v1/admin/community/faq/{item['id']}", {"If-Match": '"1"'}
    edits = [village.admin("PATCH", path, {"answer": answer}, headers=match) for answer in ("One.", "Two.")]
    answers = await asyncio.gather(*edits)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert len([event for event in await village.svc.published() if event["data"].get("version") == 2]) == 1


async def test_voices_at_the_same_time_are_counted_each_once(village):
    item = await village.get("/v1/faq/can-i-get-a-refund")
    path, voters = f"/v1/faq/{item['id']}/feedback", [new_id() for _ in range(4)]
    voices = [village.call("POST", path, voter, json={"helpful": bool(n % 2)}) for voter in voters for n in range(5)]
    assert {answer.status_code for answer in await asyncio.gather(*voices)} == {200}
    counted = await village.get("/v1/faq/can-i-get-a-refund")
    assert counted["helpful_yes"] + counted["helpful_no"] == len(voters)
    [row] = await village.svc.rows("SELECT count(*) FILTER (WHERE helpful) AS yes FROM faq_feedback")
    assert counted["helpful_yes"] == row["yes"]


async def test_changing_one_s_browser_does_not_give_voices_without_end():
    async with open_village(feedback_per_hour=3) as village:
        item = await village.get("/v1/faq/can-i-get-a-refund")
        path, body = f"/v1/faq/{item['id']}/feedback", {"helpful": True}
        agents = [{"User-Agent": f"Browser {number}"} for number in range(4)]
        answers = [await village.call("POST", path, json=body, headers=agent) for agent in agents]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
