"""All routes of the three packages."""

from services.community import endpoints_admin
from services.community.affiliates import endpoints as affiliates
from services.community.affiliates import endpoints_admin as affiliates_admin
from services.community.affiliates import endpoints_payouts as affiliates_payouts
from services.community.faq import endpoints as faq
from services.community.forum.endpoints import (
    comments,
    discipline,
    feeds,
    moderation,
    notifications,
    reports,
    revisions,
    topics,
)
from shared.routing import Router

router = Router()
for package in (
    faq,
    topics,
    comments,
    feeds,
    moderation,
    discipline,
    revisions,
    notifications,
    reports,
    affiliates,
    affiliates_admin,
    affiliates_payouts,
    endpoints_admin,
):
    router.include(package.router)
