"""What the community tells."""

from shared.contracts import community as events
from shared.contracts.common import MailRequested, UserErased
from shared.events.event import Event

PUBLISHED: tuple[type[Event], ...] = (
    events.FaqItemPublished,
    events.FaqItemUnpublished,
    events.ForumTopicCreated,
    events.ForumTopicRemoved,
    events.ForumCommentCreated,
    events.ForumAnswerAccepted,
    events.AffiliateApproved,
    events.AffiliateSuspended,
    events.ReferralAttributed,
    events.ReferralRejected,
    events.ReferralConverted,
    events.CommissionAccrued,
    events.CommissionReversed,
    events.CommissionApproved,
    events.PayoutCreated,
    events.PayoutPaid,
    events.PayoutFailed,
    MailRequested,
    UserErased,
)
