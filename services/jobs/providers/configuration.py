"""Which providers there are and what each is for, from JOBS_PROVIDERS and JOBS_ENGINES."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

LOCAL = "local"


class ProviderConfig(BaseModel):
    """`models` maps a tool to the provider's model. `idempotent` says that the provider keeps Idempotency-Key, so that
    a request whose answer was lost may be sent again; without it such a job fails rather than being paid for twice."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["openai", "replicate"]
    base_url: HttpUrl
    api_key: SecretStr = SecretStr("")
    models: dict[str, str] = Field(min_length=1)
    per_minute: int = Field(60, ge=1)
    idempotent: bool = False
    timeout_seconds: float = Field(120, gt=0)


def check_order(providers: Mapping[str, ProviderConfig], engines: Mapping[str, Sequence[str]]) -> None:
    """Raises ValueError for an engine that does not exist or can't do the tool it is named for."""
    if LOCAL in providers:
        raise ValueError("A provider can't have the name local.")
    for tool, names in engines.items():
        for name in names:
            if name != LOCAL and (name not in providers or tool not in providers[name].models):
                raise ValueError(f"There is no provider {name} with a model for {tool}.")
