"""One service goes back to its backup while the others stay where they are."""

from datetime import UTC, datetime, timedelta

from shared.events.operator import replay
from tests.shared.events.topics import EFFECTS, story
from tests.support.toy import counter, teller

BACKED_UP = 3


async def test_a_consumer_restored_from_a_backup_gets_what_came_after_it_by_replay(join):
    async with join(teller(), counter(ordered=True)) as buses:
        began = datetime.now(UTC) - timedelta(minutes=1)
        await buses.start()
        await buses.publish("community", *story(8))
        await buses.until_handled("chat", 8)
        await buses.stop("chat")
        await buses.rows("chat", "DELETE FROM inbox WHERE sequence > %(last)s RETURNING 1", last=BACKED_UP)
        await buses.rows("chat", "DELETE FROM effects WHERE position > %(last)s RETURNING 1", last=BACKED_UP)
        await buses.start("chat")
        sent = await replay(
            buses.database["community"], buses.transport, "forum.topic_created", to="chat.counts", since=began
        )
        assert sent == 8
        await buses.until_handled("chat", 8)
        effects = await buses.rows("chat", EFFECTS)
        assert [(row["position"], row["times"]) for row in effects] == [(number, 1) for number in range(1, 9)]


async def test_a_publisher_restored_from_a_backup_repeats_itself_without_a_second_effect(join):
    async with join(teller(), counter()) as buses:
        await buses.start()
        await buses.publish("community", *story(8))
        await buses.until_handled("chat", 8)
        await buses.stop("community")
        unsent = "UPDATE outbox SET published_at = NULL WHERE sequence > %(last)s RETURNING 1"
        assert len(await buses.rows("community", unsent, last=BACKED_UP)) == 5
        await buses.bus["community"].drain()
        await buses.publish("community", *story(1))
        await buses.start("community")
        await buses.until_handled("chat", 9)
        assert {row["times"] for row in await buses.rows("chat", EFFECTS)} == {1}
