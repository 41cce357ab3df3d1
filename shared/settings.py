"""Typed settings from the environment; production refuses to start on a missing or default secret and names it."""

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Environment = Literal["local", "production"]


class MissingSetting(RuntimeError):
    """A variable that production needs is absent or still has its local default."""


class _Secret:
    """Marks a field that production must be given; locally the composition root makes one."""


class _ProductionOnly:
    """Marks a field that may be empty locally and must be set in production."""


SECRET = _Secret()
NEEDED_IN_PRODUCTION = _ProductionOnly()

LOCAL_DEFAULT = "local-only-not-a-secret"

SecretText = Annotated[str, SECRET]


class Settings(BaseSettings):
    """What every service needs. Subclasses set `env_prefix` and add their own fields."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    environment: Environment = Field("local", validation_alias=AliasChoices("ATELIER_ENV"))
    public_url: str = Field("http://127.0.0.1:8000", validation_alias=AliasChoices("PUBLIC_URL"))
    database_url: Annotated[str, NEEDED_IN_PRODUCTION] = ""
    amqp_url: str = Field("", validation_alias=AliasChoices("AMQP_URL"))
    identity_jwks: str = Field("", validation_alias=AliasChoices("IDENTITY_JWKS"))
    storage_url: str = Field("", validation_alias=AliasChoices("STORAGE_URL"))
    signing_secret: SecretText = Field(LOCAL_DEFAULT, validation_alias=AliasChoices("ATELIER_SIGNING_SECRET"))
    pool_size: int = 5

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @model_validator(mode="after")
    def refuse_unsafe_production(self) -> Self:
        if self.is_production:
            for name, field in type(self).model_fields.items():
                if _unset(field.metadata, getattr(self, name)):
                    variable = self.variable_of(name)
                    raise MissingSetting(f"{variable} must be set when ATELIER_ENV=production.")
        return self

    @classmethod
    def variable_of(cls, field_name: str) -> str:
        """The environment variable that sets the field."""
        alias = cls.model_fields[field_name].validation_alias
        if isinstance(alias, AliasChoices):
            return str(alias.choices[0])
        return f"{cls.model_config.get('env_prefix', '')}{field_name}".upper()


def _unset(metadata: list[Any], value: Any) -> bool:
    if any(isinstance(mark, _Secret) for mark in metadata):
        return not value or LOCAL_DEFAULT in str(value)
    return any(isinstance(mark, _ProductionOnly) for mark in metadata) and not value
