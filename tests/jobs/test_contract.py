"""The surface as promised: what is built, and what is not there yet."""

import pytest

from services.jobs.app import service
from shared.routing import access_of
from tests.support.jobs import jobs_service, someone

BUILT = """
GET /v1/tools  POST /v1/uploads  POST /v1/uploads/{file_id}/complete  PUT /v1/files/{key}  GET /v1/files/{key}
POST /v1/jobs/estimate  POST /v1/ai/jobs  POST /v1/studio/jobs  GET /v1/ai/jobs  GET /v1/studio/jobs  GET /v1/jobs
GET /v1/jobs/{job_id}  DELETE /v1/jobs/{job_id}  POST /v1/jobs/{job_id}/cancel  POST /v1/jobs/{job_id}/retry
GET /v1/jobs/{job_id}/result  GET /v1/jobs/{job_id}/events  GET /v1/jobs/events  GET /v1/jobs/usage
GET /v1/admin/jobs  GET /v1/admin/jobs/queues  GET /v1/admin/jobs/workers
POST /v1/admin/jobs/lanes/{lane}/pause  POST /v1/admin/jobs/lanes/{lane}/resume
POST /v1/admin/jobs/jobs/{job_id}/cancel  POST /v1/admin/jobs/jobs/{job_id}/retry
POST /v1/admin/jobs/workers/{worker_id}/drain
POST /v1/jobs/batches  GET /v1/jobs/batches/{batch_id}
GET /v1/webhook-endpoints  POST /v1/webhook-endpoints  DELETE /v1/webhook-endpoints/{endpoint_id}
POST /v1/webhook-endpoints/{endpoint_id}/rotate  GET /v1/webhook-endpoints/{endpoint_id}/deliveries
POST /v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/redeliver
POST /v1/runner/claim  POST /v1/runner/heartbeat  POST /v1/runner/outputs  POST /v1/runner/settle
"""


async def test_exactly_what_is_built_is_documented(steady):
    async with steady.client() as anybody:
        paths = (await anybody.get("/internal/openapi.json")).json()["paths"]
    documented = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert documented == {entry.strip() for line in BUILT.splitlines() for entry in line.split("  ") if entry.strip()}


@pytest.mark.parametrize("path", ["/v1/jobs/nonsense", "/v1/jobs/nonsense/result", "/v1/jobs/1/events"])
async def test_an_id_that_is_none_finds_nothing(visitor, path):
    assert (await visitor.get(path)).status_code == 404


def test_every_route_names_its_policy():
    assert all(access_of(route) is not None for route in service.router.routes)


async def test_staff_routes_are_for_staff(steady, visitor):
    paths = ["/v1/admin/jobs", "/v1/admin/jobs/queues", "/v1/admin/jobs/workers"]
    async with steady.admin(someone()) as admin:
        for path in paths:
            assert (await visitor.get(path)).status_code == 403
            assert (await admin.get(path)).status_code == 200


async def test_unknown_users_are_on_the_free_plan_and_not_unlimited():
    async with jobs_service() as svc, svc.client(someone()) as client:
        usage = (await client.get("/v1/jobs/usage")).json()
        assert {metric: row["limit"] for metric, row in usage.items()} == {
            "ai_generations": 10,
            "studio_jobs": 10,
            "images": 20,
            "export_seconds": 600,
            "voiceover_seconds": 300,
        }
