"""What is metered, under the same keys everywhere: limits, holds, usage."""

from typing import Literal, get_args

Metric = Literal["ai_generations", "studio_jobs", "chat_messages", "images", "export_seconds", "voiceover_seconds"]
METRICS: tuple[Metric, ...] = get_args(Metric)

# In events: a consumer older than its publisher must survive a metric that it does not know, and ignore it.
OpenMetric = Metric | str
