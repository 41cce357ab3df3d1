"""Community on one screen: its routes, what it tells, what it hears, what it does by time."""

from pathlib import Path

from services.community import tasks
from services.community.endpoints import router
from services.community.heard import HEARD
from services.community.models import Base
from services.community.parts import open_parts
from services.community.published import PUBLISHED
from services.community.seed import seed
from services.community.settings import CommunitySettings
from shared.service import Service
from shared.timers import Every

service = Service(
    name="community",
    paths=("/v1/forum/*", "/v1/faq*", "/v1/notifications*", "/v1/affiliates/*", "/r/{code}", "/v1/admin/community/*"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=CommunitySettings,
    publishes=PUBLISHED,
    subscribes=HEARD,
    every=(Every(5, tasks.fold_views), Every(60, tasks.approve_commissions), Every(6 * 3600, tasks.tidy_up)),
    parts=open_parts,
    seed=seed,
    body_limits={"/v1/": 256 * 1024},
)
