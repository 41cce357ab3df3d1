"""Subscriptions as rows: adopted once, moved by snapshots, each difference told as an event."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.billing import repository
from services.billing.catalogue import Interval, plan_of_lookup_key
from services.billing.errors import NoSubscription
from services.billing.models import LIVE_SUBSCRIPTION, Subscription
from services.billing.stripe_objects import SubscriptionSnapshot, id_of, moment
from services.billing.transitions import SUBSCRIPTION_STATUS
from services.billing.usecases.moving import may_move
from services.billing.usecases.timeline import publish
from shared.contracts import billing as events
from shared.contracts.common import MailRequested
from shared.database import ReadSession, WriteSession
from shared.ids import new_id

# Marks a subscription that was paid although the user already had a live one.
SURPLUS = "surplus"

_EVENTS: dict[str, type[events.SubscriptionFact]] = {
    "activated": events.SubscriptionActivated,
    "plan_changed": events.SubscriptionPlanChanged,
    "past_due": events.SubscriptionPastDue,
    "recovered": events.SubscriptionRecovered,
    "paused": events.SubscriptionPaused,
    "resumed": events.SubscriptionResumed,
    "cancel_scheduled": events.SubscriptionCancelScheduled,
    "cancel_undone": events.SubscriptionCancelUndone,
    "ended": events.SubscriptionEnded,
    "renewed": events.SubscriptionRenewed,
    "trial_ending": events.SubscriptionTrialEnding,
}


@dataclass(frozen=True, slots=True)
class Planned:
    """The schedule that a subscription is under, and what it changes to at the end of its period, if anything."""

    schedule_id: str
    plan: tuple[str, Interval] | None
    at: datetime | None


async def adopt(
    session: WriteSession,
    snapshot: SubscriptionSnapshot,
    user_id: UUID,
    plan: tuple[str, Interval],
    *,
    now: datetime,
) -> Subscription:
    """A row for a subscription that Stripe has and we had not. A second live one is marked and never becomes live."""
    status = status_of(snapshot, "incomplete", now)
    surplus = status in LIVE_SUBSCRIPTION and await repository.find_live_subscription(session, user_id) is not None
    checkout_id = snapshot.metadata.get("checkout_id")
    row = Subscription(
        id=new_id(),
        user_id=user_id,
        plan_id=plan[0],
        interval=plan[1],
        status="ended" if surplus else status,
        raw_status=SURPLUS if surplus else snapshot.status,
        stripe_subscription_id=snapshot.id,
        stripe_customer_id=id_of(snapshot.customer) or "",
        checkout_id=UUID(checkout_id) if checkout_id else None,
        started_at=moment(snapshot.start_date) or now,
        period_start=snapshot.period_start,
        period_end=snapshot.period_end,
        cancel_at=snapshot.ends_at,
        trial_end=moment(snapshot.trial_end),
        paused_from=snapshot.paused_from,
        past_due_since=now if status == "past_due" else None,
        ended_at=now if surplus or status == "ended" else None,
        created_at=now,
        updated_at=now,
        version=1,
    )
    session.add(row)
    await session.flush()
    if row.status in {"active", "trialing"}:
        await tell(session, row, "activated")
    return row


def status_of(snapshot: SubscriptionSnapshot, known: str, now: datetime) -> str:
    """Our word for its state. Stripe calls a subscription active whose collection is paused; its plan is off then."""
    status = SUBSCRIPTION_STATUS.get(snapshot.status, known)
    is_off = snapshot.paused_from is not None and snapshot.paused_from <= now
    return "paused" if is_off and status == "active" else status


def note_plans(row: Subscription, planned: Planned | None) -> None:
    row.stripe_schedule_id = planned.schedule_id if planned else None
    row.next_plan_id, row.next_interval = planned.plan if planned and planned.plan else (None, None)
    row.next_plan_at = planned.at if planned and planned.plan else None


async def apply_snapshot(
    session: WriteSession, row: Subscription, snapshot: SubscriptionSnapshot, *, now: datetime
) -> None:
    """Move the row to what Stripe shows and tell every difference. What has ended stays ended."""
    await session.refresh(row, with_for_update=True)
    status = status_of(snapshot, row.status, now)
    if row.status != status:
        reason = f"Stripe says {snapshot.status}"
        if not may_move(session, "subscription", row.id, row.status, status, reason=reason, now=now):
            return
    elif status == "ended":
        return
    before, previous_plan, cancel_before = row.status, row.plan_id, row.cancel_at
    _copy(row, snapshot, now)
    for fact in facts_between(before, row.status, cancel_before, row.cancel_at, changed=previous_plan != row.plan_id):
        await tell(session, row, fact, previous_plan_id=previous_plan)
    if row.status == "ended":
        await _tell_end_by_mail(session, row)


def _copy(row: Subscription, snapshot: SubscriptionSnapshot, now: datetime) -> None:
    row.status = status_of(snapshot, row.status, now)
    row.raw_status, row.updated_at = snapshot.status, now
    row.period_start, row.period_end = snapshot.period_start, snapshot.period_end
    row.cancel_at, row.trial_end = snapshot.ends_at, moment(snapshot.trial_end)
    if row.paused_from != snapshot.paused_from:
        # The version names the next call to Stripe, which must not be taken for an earlier one.
        row.paused_from, row.version = snapshot.paused_from, row.version + 1
    plan = plan_of_lookup_key(snapshot.lookup_key)
    if plan is not None:
        row.plan_id, row.interval = plan
    if row.status == "past_due":
        row.past_due_since = row.past_due_since or now
    elif row.status in {"active", "trialing", "ended"}:
        row.past_due_since = None
    if row.status == "ended":
        row.ended_at = moment(snapshot.ended_at) or now


def facts_between(
    before: str, after: str, cancel_before: datetime | None, cancel_after: datetime | None, *, changed: bool
) -> list[str]:
    """What happened between two states of a subscription, as names of events."""
    has_access, had_access = after in {"active", "trialing"}, before in {"active", "trialing"}
    if after == "ended":
        return ["ended"]
    facts = []
    if before == "incomplete" and has_access:
        facts.append("activated")
    if before in {"past_due", "suspended"} and has_access:
        facts.append("recovered")
    if before == "paused" and has_access:
        facts.append("resumed")
    if after == "past_due" and before != "past_due":
        facts.append("past_due")
    if after == "paused" and before != "paused":
        facts.append("paused")
    if changed and (has_access or had_access):
        facts.append("plan_changed")
    if cancel_after and not cancel_before:
        facts.append("cancel_scheduled")
    if cancel_before and not cancel_after:
        facts.append("cancel_undone")
    return facts


async def tell(session: WriteSession, row: Subscription, fact: str, *, previous_plan_id: str | None = None) -> None:
    row.version += 1
    event = _EVENTS[fact](
        subscription_id=row.id,
        user_id=row.user_id,
        plan_id=row.plan_id,
        previous_plan_id=previous_plan_id,
        status=row.status,
        period_start=row.period_start,
        period_end=row.period_end,
        cancel_at=row.cancel_at,
    )
    await publish(session, event, sequence=row.version)


async def tell_renewed(session: WriteSession, row: Subscription) -> None:
    """A further period was paid: told on the recorded payment, not on the period's start."""
    await tell(session, row, "renewed")


async def _tell_end_by_mail(session: WriteSession, row: Subscription) -> None:
    mail = MailRequested(
        template="subscription_ended",
        user_id=row.user_id,
        params={"subscription_id": str(row.id), "plan_id": row.plan_id},
        dedupe_key=f"subscription-ended-{row.id}",
    )
    await publish(session, mail, sequence=1)


async def get_live(session: ReadSession, user_id: UUID) -> Subscription:
    """Raises NoSubscription."""
    row = await repository.find_live_subscription(session, user_id)
    if row is None:
        raise NoSubscription
    return row
