"""Inside the service the database itself keeps what belongs together: nothing is left over, and money is not lost."""

import psycopg
import pytest

from shared.ids import new_id


async def count(village, table):
    [row] = await village.svc.rows(f'SELECT count(*) AS n FROM "{table}"')
    return row["n"]


async def test_a_topic_takes_everything_in_it_along(village):
    author, other = await village.register(handle="other"), await village.register()
    topic = await village.topic(author, content="@other")
    home = f"/v1/forum/topics/{topic['id']}"
    comment = await village.comment(other, topic["id"])
    await village.comment(author, topic["id"], parent=comment["id"])
    said = f"/v1/forum/comments/{comment['id']}"
    for path in (home, said):
        await village.call("PUT", f"{path}/vote", new_id())
        await village.call("POST", f"{path}/report", new_id(), json={"reason": "spam"})
    await village.call("POST", f"{home}/view", new_id())
    village.svc.clock.advance(600)
    edit = {"headers": {"If-Match": "1"}, "json": {"content": "new"}}
    await village.call("PATCH", home, author, **edit)
    await village.call("PATCH", said, other, **edit)
    await village.hear_itself()
    tables = [
        *("forum_comments", "topic_votes", "comment_votes", "topic_view_buffer", "topic_revisions"),
        *("comment_revisions", "topic_subscriptions", "notifications", "post_reports"),
    ]
    assert all([await count(village, table) for table in tables])
    await village.svc.rows("DELETE FROM forum_topics RETURNING 1")
    assert not any([await count(village, table) for table in tables])


async def test_a_category_with_topics_cannot_be_lost(village):
    await village.topic(await village.register())
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await village.svc.rows("DELETE FROM forum_categories RETURNING 1")


async def test_an_affiliate_takes_clicks_and_referrals_along_until_they_have_earned(village):
    _, code = await village.affiliate()
    await village.call("GET", f"/r/{code}")
    customer = await village.customer(code)
    await village.svc.rows("DELETE FROM affiliates RETURNING 1")
    for table in ("affiliate_clicks", "affiliate_referrals", "affiliate_rates"):
        assert await count(village, table) == 0
    _, code = await village.affiliate()
    await village.pay(customer)
    await village.pay(await village.customer(code))
    with pytest.raises(psycopg.errors.RestrictViolation):
        await village.svc.rows("DELETE FROM affiliates RETURNING 1")
    assert await count(village, "commission_entries") == 1
