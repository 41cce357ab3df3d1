"""What billing hears, and who handles it."""

from services.billing import handlers
from shared.contracts import accounts, community
from shared.events.event import on

HEARD = (
    on(accounts.UserRegistered, handlers.register_user),
    on(accounts.UserEmailChanged, handlers.note_email),
    on(accounts.UserDisabled, handlers.lock_out, consumer="access", ordered=True),
    on(accounts.UserEnabled, handlers.let_in, consumer="access", ordered=True),
    on(accounts.UserDeletionRequested, handlers.erase_user, consumer="erasure"),
    on(accounts.UserDeleted, handlers.erase_user, consumer="erasure"),
    on(community.ReferralAttributed, handlers.note_referral, consumer="referrals", ordered=True),
    on(community.ReferralRejected, handlers.end_discount, consumer="referrals", ordered=True),
    on(community.ReferralConverted, handlers.end_discount, consumer="referrals", ordered=True),
)
