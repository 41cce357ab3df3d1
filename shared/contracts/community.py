"""What community publishes: the FAQ, the forum, and the affiliate ledger. Money in minor units."""

from uuid import UUID

from pydantic import AwareDatetime

from shared.events.event import Event

COMMUNITY = ("community",)


class _FaqFact(Event):
    item_id: UUID
    locale: str
    question: str
    answer: str
    category: str
    version: int


class FaqItemPublished(_FaqFact, type="faq.item_published", publishers=COMMUNITY, subject="faq_item/{item_id}"):
    """A question and its answer are public in this version: the assistant may use them. The one event with text."""


class FaqItemUnpublished(_FaqFact, type="faq.item_unpublished", publishers=COMMUNITY, subject="faq_item/{item_id}"):
    """The item is no longer public; the text is what it last said in public."""


class _ForumFact(Event):
    topic_id: UUID
    comment_id: UUID | None = None
    user_id: UUID
    category: str
    mentions: list[UUID] = []


class ForumTopicCreated(_ForumFact, type="forum.topic_created", publishers=COMMUNITY, subject="topic/{topic_id}"):
    """Somebody opened a topic."""


class ForumTopicRemoved(_ForumFact, type="forum.topic_removed", publishers=COMMUNITY, subject="topic/{topic_id}"):
    """A topic was taken down by its author or a moderator."""


class ForumCommentCreated(_ForumFact, type="forum.comment_created", publishers=COMMUNITY, subject="topic/{topic_id}"):
    """Somebody answered in a topic."""


class ForumAnswerAccepted(_ForumFact, type="forum.answer_accepted", publishers=COMMUNITY, subject="topic/{topic_id}"):
    """The author of a question accepted an answer."""


class _AffiliateFact(Event):
    affiliate_id: UUID
    user_id: UUID
    code: str


class AffiliateApproved(
    _AffiliateFact, type="affiliate.approved", publishers=COMMUNITY, subject="affiliate/{affiliate_id}"
):
    """An affiliate may earn from now on."""


class AffiliateSuspended(
    _AffiliateFact, type="affiliate.suspended", publishers=COMMUNITY, subject="affiliate/{affiliate_id}"
):
    """An affiliate earns nothing new."""


class _ReferralFact(Event):
    referral_id: UUID
    affiliate_id: UUID
    referred_user_id: UUID
    method: str
    rule: str


class ReferralAttributed(
    _ReferralFact, type="referral.attributed", publishers=COMMUNITY, subject="referral/{referral_id}"
):
    """A new user was brought by this affiliate; `method` and `rule` say why."""


class ReferralRejected(_ReferralFact, type="referral.rejected", publishers=COMMUNITY, subject="referral/{referral_id}"):
    """A claim on a new user was refused; `rule` says why."""


class ReferralConverted(
    _ReferralFact, type="referral.converted", publishers=COMMUNITY, subject="referral/{referral_id}"
):
    """The referred user paid for the first time."""


class _CommissionFact(Event):
    commission_id: UUID
    affiliate_id: UUID
    payment_id: UUID
    delta: int
    balance_after: int
    currency: str
    available_at: AwareDatetime


class CommissionAccrued(
    _CommissionFact, type="commission.accrued", publishers=COMMUNITY, subject="commission/{commission_id}"
):
    """The ledger gained an entry in the affiliate's favour."""


class CommissionReversed(
    _CommissionFact, type="commission.reversed", publishers=COMMUNITY, subject="commission/{commission_id}"
):
    """The ledger gained an entry that takes back."""


class CommissionApproved(
    _CommissionFact, type="commission.approved", publishers=COMMUNITY, subject="commission/{commission_id}"
):
    """The holding period is over: the commission can be paid out."""


class _PayoutFact(Event):
    payout_id: UUID
    affiliate_id: UUID
    amount: int
    currency: str
    entry_count: int


class PayoutCreated(_PayoutFact, type="payout.created", publishers=COMMUNITY, subject="payout/{payout_id}"):
    """Entries were gathered into a payout."""


class PayoutPaid(_PayoutFact, type="payout.paid", publishers=COMMUNITY, subject="payout/{payout_id}"):
    """The payout reached the affiliate."""


class PayoutFailed(_PayoutFact, type="payout.failed", publishers=COMMUNITY, subject="payout/{payout_id}"):
    """The payout did not arrive; its entries are free again."""
