"""What can be set from outside, each as JOBS_<NAME>."""

import os
import tempfile
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.jobs.providers.configuration import ProviderConfig, check_order
from shared.settings import Settings


class JobsSettings(Settings):
    """Durations are seconds, sizes bytes unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="JOBS_")

    lease_seconds: float = 60
    heartbeat_seconds: float = 15
    # A runner that reached the database for so long no more stops its work: soon its lease will be another's.
    lost_after_seconds: float = 45
    poll_seconds: float = 2
    reap_seconds: float = 5
    drain_seconds: float = 90
    kill_after_seconds: float = 5
    stall_seconds: float = 60
    timeout_seconds: float = 600
    # By tool, where a tool needs another limit than the two above: {"reels": 1800}.
    tool_timeout_seconds: dict[str, float] = {}
    tool_stall_seconds: dict[str, float] = {}
    retry_base_seconds: float = 5
    memory_limit_mb: int = 4096
    output_limit_mb: int = 2048

    # By name: {"acme": {"kind": "openai", "base_url": …, "api_key": …, "models": {"images": "gpt-image-1"}}}
    providers: dict[str, ProviderConfig] = {}
    # By tool, the first that can: {"images": ["acme", "local"]}. A tool that is not named here is done locally.
    engines: dict[str, list[str]] = {}

    interactive_slots: int = 1
    render_slots: int = Field(default_factory=lambda: max(1, (os.cpu_count() or 2) - 1))
    remote_slots: int = 50

    # A module with its own TOOLS, loaded beside the shipped engines and never shown in the catalogue.
    extra_tools: str = ""
    work_folder: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()) / f"atelier-jobs-{os.getuid()}")

    free_retention_days: int = 7
    paid_retention_days: int = 30
    expiry_warning_days: int = 3
    result_url_seconds: int = 900
    upload_url_seconds: int = 3600
    upload_max_bytes: int = 50 * 1024 * 1024
    probe_seconds: float = 20

    # For trying webhooks out on one machine: http:// and 127.0.0.1 are called as well. Without effect in production.
    webhook_allow_loopback: bool = False

    @model_validator(mode="after")
    def _check_engines(self) -> Self:
        check_order(self.providers, self.engines)
        return self

    @property
    def calls_loopback(self) -> bool:
        return self.webhook_allow_loopback and not self.is_production
