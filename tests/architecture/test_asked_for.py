"""Every table, column, rule and index that the product was asked for exists under its name."""

import pytest
from sqlalchemy import Table, UniqueConstraint

from deploy.documents.data_model import data_model
from deploy.services import SERVICES

METADATA = {service.name: service.metadata for service in SERVICES}

TABLES = {
    ("billing", "payments"): "id user_id stripe_customer_id stripe_session_id stripe_subscription_id"
    " stripe_payment_intent_id plan_id plan_name status amount currency billing_cycle metadata created_at updated_at",
    ("billing", "webhook_events"): "id event_type payload status stripe_event_id livemode",
    ("chat", "chat_sessions"): "id user_id session_token context is_active created_at ended_at",
    ("chat", "chat_messages"): "id chat_session_id role content created_at seq status",
    ("jobs", "jobs"): "id user_id tool prompt options status result_url result_data error_message progress started_at"
    " completed_at created_at updated_at input_files",
    ("community", "faq_items"): "id question answer category order",
    ("community", "forum_topics"): "id user_id title content views",
    ("community", "forum_comments"): "id topic_id user_id content",
    ("community", "affiliates"): "id user_id affiliate_code commission_rate",
    ("community", "affiliate_referrals"): "id affiliate_id referred_user_id commission",
    ("accounts", "user_sessions"): "id user_id token expires_at",
    ("accounts", "user_usage_stats"): "id user_id ai_generations_count studio_jobs_count chat_messages_count"
    " export_minutes_used voiceover_minutes_used images_generated last_reset_at",
    ("accounts", "users"): "id email password_hash stripe_customer_id",
}
UNIQUE = (
    ("billing", "payments", ("stripe_session_id",)),
    ("billing", "webhook_events", ("stripe_event_id", "livemode")),
    ("chat", "chat_sessions", ("session_token",)),
    ("community", "affiliates", ("user_id",)),
    ("community", "affiliates", ("affiliate_code",)),
    ("community", "affiliate_referrals", ("referred_user_id",)),
    ("accounts", "user_sessions", ("token",)),
    ("accounts", "users", ("email",)),
    ("accounts", "users", ("stripe_customer_id",)),
)
CASCADES = (
    ("chat", "chat_messages", "chat_session_id"),
    ("community", "forum_comments", "topic_id"),
    ("community", "affiliate_referrals", "affiliate_id"),
    ("accounts", "user_sessions", "user_id"),
    ("accounts", "user_usage_stats", "user_id"),
)
LOOKUPS = (
    ("billing", "payments", ("user_id",)),
    ("billing", "payments", ("stripe_customer_id",)),
    ("billing", "payments", ("status",)),
    ("chat", "chat_sessions", ("user_id",)),
    ("chat", "chat_messages", ("chat_session_id",)),
    ("jobs", "jobs", ("user_id", "created_at")),
    ("jobs", "jobs", ("status", "created_at")),
    ("jobs", "jobs", ("tool", "created_at")),
    ("accounts", "user_sessions", ("user_id",)),
    ("community", "forum_topics", ("user_id",)),
    ("community", "forum_comments", ("topic_id",)),
    ("community", "faq_items", ("category", "order")),
    ("community", "affiliate_referrals", ("affiliate_id",)),
)


def table(service: str, name: str) -> Table:
    return METADATA[service].tables[name]


def uniques(found: Table) -> set[tuple[str, ...]]:
    return {tuple(one.columns.keys()) for one in found.constraints if isinstance(one, UniqueConstraint)}


def indexed(found: Table) -> set[tuple[str, ...]]:
    """Columns by which rows are found; a partial index finds only some of them and does not count."""
    whole = [index for index in found.indexes if index.dialect_options["postgresql"]["where"] is None]
    return {tuple(index.columns.keys()) for index in whole} | uniques(found)


@pytest.mark.parametrize(("place", "columns"), TABLES.items(), ids=[name for _, name in TABLES])
def test_every_table_asked_for_has_its_columns(place, columns):
    assert set(columns.split()) <= set(table(*place).columns.keys())


@pytest.mark.parametrize(("service", "name", "columns"), UNIQUE)
def test_what_is_unique_is_so_in_the_database(service, name, columns):
    assert columns in uniques(table(service, name))


@pytest.mark.parametrize(("service", "name", "column"), CASCADES)
def test_what_belongs_to_a_row_goes_with_it(service, name, column):
    [key] = table(service, name).columns[column].foreign_keys
    assert key.ondelete == "CASCADE"


@pytest.mark.parametrize(("service", "name", "columns"), LOOKUPS)
def test_every_lookup_has_an_index(service, name, columns):
    assert any(found[: len(columns)] == columns for found in indexed(table(service, name)))


def test_there_are_more_than_thirty_indexes():
    assert sum(len(found.indexes) for metadata in METADATA.values() for found in metadata.tables.values()) > 30


def test_the_document_tells_of_views_and_of_what_is_unique():
    text = data_model(SERVICES)
    assert "### ai_jobs\n\nA view over `jobs`" in text
    assert "| input_files | text[] | |" in text.split("### studio_jobs")[1]
    assert "- unique (email)" in text.split("### users\n")[1].split("###")[0]
