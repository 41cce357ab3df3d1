"""Jobs: AI and studio work, its queue, its runners, its files."""

from pathlib import Path

from services.jobs import tasks
from services.jobs.endpoints import router
from services.jobs.erasure import erase_users
from services.jobs.heard import HEARD
from services.jobs.metrics import measure
from services.jobs.models import Base
from services.jobs.parts import open_parts
from services.jobs.settings import JobsSettings
from services.jobs.uploads import LARGEST_BODY
from services.jobs.webhooks.sending import deliver_due
from shared.contracts import common, jobs
from shared.service import Service
from shared.timers import Every

service = Service(
    name="jobs",
    paths=("/v1/tools", "/v1/uploads*", "/v1/files/*", "/v1/ai/*", "/v1/studio/*", "/v1/jobs*",
           "/v1/webhook-endpoints*", "/v1/runner/*", "/v1/admin/jobs*"),
    router=router,
    metadata=Base.metadata,
    migrations=Path(__file__).parent / "migrations",
    settings=JobsSettings,
    publishes=(jobs.JobCreated, jobs.JobStarted, jobs.JobRetryScheduled, jobs.JobCompleted, jobs.JobFailed,
               jobs.JobCancelled, jobs.JobResultExpiring, jobs.JobResultExpired, jobs.BatchCompleted,
               common.UsageRecorded, common.UsageThresholdReached, common.MailRequested, common.UserErased),
    subscribes=HEARD,
    every=(Every(5, tasks.move_queue, everywhere=True), Every(2, deliver_due, everywhere=True),
           Every(60, tasks.warn_of_expiry), Every(5, erase_users),
           Every(60, tasks.expire_results), Every(3600, tasks.sweep_files), Every(3600, tasks.prune)),
    parts=open_parts, measure=measure, body_limits={"/v1/files/": LARGEST_BODY},
)  # fmt: skip
