"""What can be set from outside, each as CHAT_<NAME>."""

from pydantic_settings import SettingsConfigDict

from shared.settings import Settings


class ChatSettings(Settings):
    """Durations are seconds."""

    model_config = SettingsConfigDict(env_prefix="CHAT_")

    lease_seconds: float = 10
    chunks_kept_seconds: float = 600
    handover_silence_seconds: float = 24 * 3600
    # Deltas are gathered for so long before they become one row and one event.
    coalesce_seconds: float = 0.08
    # The local assistant speaks at a reader's pace, so that stopping and interrupting mean the same for every provider.
    word_seconds: float = 0.015
    answers_at_once: int = 64

    visitor_messages_per_hour: int = 20
    network_messages_per_hour: int = 60
    network_sessions_per_hour: int = 120
    visitor_messages_per_session: int = 200
    user_messages_per_session: int = 10_000
