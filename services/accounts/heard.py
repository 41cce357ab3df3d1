"""What accounts hears, and who handles it."""

from services.accounts import handlers
from shared.contracts.billing import SUBSCRIPTION_FACTS, EntitlementChanged, UserStripeCustomerBound
from shared.contracts.common import MailRequested, UsageRecorded, UserErased
from shared.events.event import on

HEARD = (
    on(MailRequested, handlers.send_mail, consumer="mailer", on_park="continue"),
    on(UsageRecorded, handlers.record_usage, consumer="usage"),
    on(EntitlementChanged, handlers.project_plan, consumer="plans"),
    *(on(fact, handlers.project_subscription, consumer="subscriptions") for fact in SUBSCRIPTION_FACTS),
    on(UserErased, handlers.confirm_erasure, consumer="deletions"),
    on(UserStripeCustomerBound, handlers.bind_customer, consumer="customers"),
)
