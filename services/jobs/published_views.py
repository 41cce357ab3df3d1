"""The names under which jobs were asked for; a migration makes the views."""

from shared.database import View

PUBLISHED_VIEWS = (
    View(
        "ai_jobs",
        "jobs",
        "jobs of the family `ai` that are not deleted",
        (
            *("id", "user_id", "tool", "prompt", "options", "status", "result_url", "result_data", "error_message"),
            *("progress", "started_at", "completed_at", "created_at", "updated_at"),
        ),
    ),
    View(
        "studio_jobs",
        "jobs",
        "jobs of the family `studio` that are not deleted",
        ("id", "user_id", "tool", "input_files", "options", "status", "result_url", "progress", "created_at"),
        {"input_files": "text[]"},
    ),
)
