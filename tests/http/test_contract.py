"""The published HTTP contract: what integrators rely on is there under its name, and grows only."""

import json
from pathlib import Path

import pytest

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs" / "openapi.json").read_text())
ROUTES = """
POST 202 /v1/auth/signup
POST 204 /v1/auth/verify
POST 202 /v1/auth/verify/resend
POST 200 /v1/auth/login
POST 204 /v1/auth/logout
POST 204 /v1/auth/reauth
POST 200 /v1/auth/login/2fa
GET 200 /v1/me/factors
POST 201 /v1/me/factors
POST 200 /v1/me/factors/{}/confirm
DELETE 204 /v1/me/factors/{}
POST 201 /v1/me/recovery-codes
POST 202 /v1/auth/password/forgot
POST 204 /v1/auth/password/reset
GET 200 /.well-known/jwks.json
GET 200 /v1/me
PATCH 200 /v1/me
POST 204 /v1/me/password
GET 200 /v1/me/sessions
DELETE 204 /v1/me/sessions
DELETE 204 /v1/me/sessions/{}
GET 200 /v1/me/api-keys
POST 201 /v1/me/api-keys
GET 200 /v1/me/api-keys/{}
PATCH 200 /v1/me/api-keys/{}
DELETE 204 /v1/me/api-keys/{}
POST 200 /v1/me/api-keys/{}/rotate
GET 200 /v1/me/usage
GET 200 /v1/users/{}
GET 200 /v1/admin/accounts/users
GET 200 /v1/admin/accounts/users/{}
PATCH 200 /v1/admin/accounts/users/{}
POST 200 /v1/admin/accounts/users/{}/disable
POST 200 /v1/admin/accounts/users/{}/enable
POST 204 /v1/admin/accounts/users/{}/revoke-sessions
GET 200 /v1/billing/plans
POST 201 /v1/billing/checkout
POST 201 /api/checkout/create-session
GET 200 /v1/billing/checkout/{}
GET 200 /v1/billing/subscription
GET 200 /v1/billing/entitlement
GET 200 /v1/billing/payments
GET 200 /v1/billing/payments/{}
POST 200 /v1/webhooks/stripe
GET 200 /v1/admin/billing/payments
POST 200 /v1/admin/billing/payments/{}/refund
GET 200 /v1/admin/billing/webhook-events
POST 202 /v1/admin/billing/webhook-events/{}/replay
GET 200 /v1/tools
POST 201 /v1/uploads
POST 200 /v1/uploads/{}/complete
PUT 204 /v1/files/{}
GET 200 /v1/files/{}
POST 200 /v1/jobs/estimate
POST 202 /v1/ai/jobs
POST 202 /v1/studio/jobs
GET 200 /v1/ai/jobs
GET 200 /v1/studio/jobs
GET 200 /v1/jobs
GET 200 /v1/jobs/{}
DELETE 204 /v1/jobs/{}
POST 200 /v1/jobs/{}/cancel
POST 202 /v1/jobs/{}/retry
GET 302 /v1/jobs/{}/result
GET 200 /v1/jobs/{}/events
GET 200 /v1/jobs/events
GET 200 /v1/jobs/usage
GET 200 /v1/admin/jobs
GET 200 /v1/admin/jobs/queues
GET 200 /v1/admin/jobs/workers
POST 201 /v1/chat/sessions
GET 200 /v1/chat/sessions
GET 200 /v1/chat/sessions/current
POST 200 /v1/chat/sessions/claim
GET 200 /v1/chat/sessions/{}
PATCH 200 /v1/chat/sessions/{}
DELETE 204 /v1/chat/sessions/{}
POST 202 /v1/chat/sessions/{}/messages
GET 200 /v1/chat/sessions/{}/messages
POST 200 /v1/chat/sessions/{}/end
GET 200 /v1/chat/messages/{}/stream
POST 200 /v1/chat/messages/{}/stop
POST 202 /v1/chat/messages/{}/regenerate
POST 200 /v1/chat/messages/{}/feedback
POST 201 /v1/forum/topics
GET 200 /v1/forum/topics
GET 200 /v1/forum/topics/{}
PATCH 200 /v1/forum/topics/{}
DELETE 204 /v1/forum/topics/{}
POST 201 /v1/forum/topics/{}/comments
GET 200 /v1/forum/topics/{}/comments
GET 200 /v1/faq
POST 201 /v1/admin/community/faq
PATCH 200 /v1/admin/community/faq/{}
DELETE 204 /v1/admin/community/faq/{}
POST 200 /v1/admin/community/faq/reorder
GET 302 /r/{}
POST 201 /v1/affiliates/apply
GET 200 /v1/affiliates/me
GET 200 /v1/affiliates/me/referrals
GET 200 /v1/affiliates/me/commissions
GET 200 /v1/admin/community/affiliates
""".strip().splitlines()
OBJECTS = {
    (
        "get",
        "/v1/me",
    ): "id email email_verified handle display_name roles locale timezone stripe_customer_id created_at",
    ("get", "/v1/me/usage"): "period_start period_end ai_generations_count studio_jobs_count chat_messages_count "
    "export_minutes_used voiceover_minutes_used images_generated last_reset_at limits",
    ("get", "/v1/me/api-keys/{}"): "id name prefix last4 scopes expires_at last_used_at created_at",
    ("get", "/v1/me/sessions", "items"): "id current device_label ip created_at last_seen_at expires_at",
    ("post", "/v1/billing/checkout"): "checkout_id session_id url expires_at",
    ("post", "/api/checkout/create-session"): "session_id url",
    ("get", "/v1/billing/checkout/{}"): "status payment_status",
    ("get", "/v1/billing/payments/{}"): "id user_id kind plan_id plan_name status amount amount_refunded currency "
    "billing_cycle stripe_customer_id stripe_session_id stripe_subscription_id stripe_payment_intent_id metadata "
    "paid_at created_at updated_at",
    (
        "get",
        "/v1/billing/entitlement",
    ): "version plan_id status limits grants features max_running weight period_anchor valid_until",
    ("get", "/v1/billing/plans", "items"): "plan_id name prices currency limits features max_running",
    (
        "get",
        "/v1/admin/billing/webhook-events",
        "items",
    ): "id stripe_event_id type status attempts last_error received_at",
    ("post", "/v1/jobs/estimate"): "valid units quota_left eta_seconds",
    ("get", "/v1/jobs/{}"): "id family tool status reason stage progress queue prompt options input_files result error "
    "attempt max_attempts engine usage seed metadata batch_id retry_of created_at run_at started_at completed_at",
    (
        "get",
        "/v1/chat/sessions/{}",
    ): "id user_id title context mode is_active message_count created_at last_activity_at ended_at",
    ("get", "/v1/chat/sessions/{}/messages", "items"): "id session_id seq role content status citations feedback "
    "client_message_id created_at",
    ("get", "/v1/forum/topics/{}"): "id slug user_id author title content content_html category tags kind status views "
    "score comment_count accepted_comment_id locked pinned created_at updated_at",
    ("post", "/v1/forum/topics/{}/comments"): "id topic_id parent_id user_id author content content_html score depth "
    "created_at edited_at",
    (
        "get",
        "/v1/faq",
        "items",
    ): "id question answer answer_html category order locale slug status helpful_yes helpful_no version",
    ("get", "/v1/affiliates/me"): "code link status commission_rate_bp balance clicks referrals",
    ("get", "/v1/affiliates/me/commissions", "items"): "id payment_id amount currency status available_at entries",
}


def nameless(path):
    """The path with its parameters' names taken out: they are ours to choose."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


OPERATIONS = {
    (method, nameless(path)): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def resolved(schema):
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def answer_of(method, path):
    responses = OPERATIONS[method, path]["responses"]
    status = min(status for status in responses if status.startswith("2"))
    return resolved(responses[status]["content"]["application/json"]["schema"])


@pytest.mark.parametrize("line", ROUTES)
def test_a_published_route_is_there_and_succeeds_with_its_status(line):
    method, status, path = line.split()
    operation = OPERATIONS.get((method.lower(), path))
    assert operation is not None, "the route is gone"
    assert status in operation["responses"], sorted(operation["responses"])


@pytest.mark.parametrize("place", OBJECTS, ids=" ".join)
def test_a_published_object_has_its_fields(place):
    method, path, *inside = place
    schema = answer_of(method, path)
    if inside:
        schema = resolved(resolved(schema["properties"]["items"])["items"])
    assert set(OBJECTS[place].split()) <= set(schema["properties"]), schema.get("title")


@pytest.mark.parametrize(
    ("method", "path"),
    [(method, path) for method, path in OPERATIONS if path.count("{}") == 0 and method == "get"],
)
def test_lists_page_in_one_way(method, path):
    content = OPERATIONS[method, path]["responses"].get("200", {}).get("content", {}).get("application/json")
    schema = resolved(content["schema"]) if content and content.get("schema") else {}
    if "items" in schema.get("properties", {}):
        assert "next_cursor" in schema["properties"]


def test_nothing_private_is_published():
    assert not [path for path in DOCUMENT["paths"] if path.startswith(("/_verify", "/internal", "/livez", "/metrics"))]
